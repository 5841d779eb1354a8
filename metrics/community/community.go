// Package community exposes what the inventory says of communities, so that
// dashboards show their names, place them on a map and divide by households:
//
//	greencommunity_community_info{community,name,town,stage,pilot,latitude,longitude} 1
//	greencommunity_community_households{community}
//	greencommunity_community_population{community}
//	greencommunity_vendor_info{vendor,name} 1
//	greencommunity_programme_communities{stage="all|participating|met|named"}
//
// Coordinates are degrees, WGS-84, and empty where the inventory has none.
// The share that counts towards the programme's target is met over all; those
// that met the requirements take part as well, and those that were named (命名)
// have met them. Households and population are left out where they are not
// known: no figure is not zero.
package community

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest/inventory"
)

// Collector is a prometheus.Collector of an inventory's communities.
type Collector struct {
	// Inventory returns the one that holds now. It is called from any goroutine.
	Inventory func() *inventory.Inventory
}

var (
	infoDesc       = prometheus.NewDesc("greencommunity_community_info", "A community of the inventory, always 1; coordinates in degrees, WGS-84.", []string{"community", "name", "town", "stage", "pilot", "latitude", "longitude"}, nil)
	householdsDesc = prometheus.NewDesc("greencommunity_community_households", "Households by the inventory.", []string{"community"}, nil)
	populationDesc = prometheus.NewDesc("greencommunity_community_population", "Persons by the inventory.", []string{"community"}, nil)
	vendorDesc     = prometheus.NewDesc("greencommunity_vendor_info", "A vendor of the inventory, always 1.", []string{"vendor", "name"}, nil)
	stagesDesc     = prometheus.NewDesc("greencommunity_programme_communities", "Communities of the programme: all, participating, met, named; each stage includes those after it.", []string{"stage"}, nil)
)

// Describe is part of prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- infoDesc
	ch <- householdsDesc
	ch <- populationDesc
	ch <- vendorDesc
	ch <- stagesDesc
}

// Collect is part of prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	inv := c.Inventory()
	for _, each := range inv.Communities {
		latitude, longitude := "", ""
		if each.Lat != 0 || each.Lon != 0 {
			latitude, longitude = strconv.FormatFloat(each.Lat, 'g', -1, 64), strconv.FormatFloat(each.Lon, 'g', -1, 64)
		}
		id := string(each.ID)
		ch <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, id, each.Name, each.Town, each.Stage, strconv.FormatBool(each.Pilot), latitude, longitude)
		if each.Households > 0 {
			ch <- prometheus.MustNewConstMetric(householdsDesc, prometheus.GaugeValue, float64(each.Households), id)
		}
		if each.Population > 0 {
			ch <- prometheus.MustNewConstMetric(populationDesc, prometheus.GaugeValue, float64(each.Population), id)
		}
	}
	for _, v := range inv.Vendors {
		ch <- prometheus.MustNewConstMetric(vendorDesc, prometheus.GaugeValue, 1, string(v.ID), v.Name)
	}
	programme := inv.Programme()
	for stage, n := range map[string]int{"all": programme.All, "participating": programme.Participating, "met": programme.Met, "named": programme.Named} {
		ch <- prometheus.MustNewConstMetric(stagesDesc, prometheus.GaugeValue, float64(n), stage)
	}
}
