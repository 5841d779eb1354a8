// Package anomaly tells what is going wrong at a facility from what it reports.
package anomaly
