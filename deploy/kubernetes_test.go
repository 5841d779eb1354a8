package deploy_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The manifest's parts fit: selectors find the pods, what is mounted is there,
// probes ask what the service answers, and nothing runs as root.
func TestKubernetesManifest(t *testing.T) {
	f, err := os.Open("kubernetes/greencommunity.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type named struct{ Name string }
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type document struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name, Namespace string }
		Spec       struct {
			ServiceName string `yaml:"serviceName"`
			Selector    yaml.Node
			Template    struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					ServiceAccountName string         `yaml:"serviceAccountName"`
					SecurityContext    map[string]any `yaml:"securityContext"`
					Volumes            []named
					Containers         []struct {
						Args            []string
						Env             []named
						Ports           []named
						VolumeMounts    []named        `yaml:"volumeMounts"`
						SecurityContext map[string]any `yaml:"securityContext"`
						LivenessProbe   probe          `yaml:"livenessProbe"`
						ReadinessProbe  probe          `yaml:"readinessProbe"`
						StartupProbe    probe          `yaml:"startupProbe"`
					}
				}
			}
			Claims []struct{ Metadata named } `yaml:"volumeClaimTemplates"`
		}
	}
	byKind := map[string]document{}
	for d := yaml.NewDecoder(f); ; {
		var each document
		if err := d.Decode(&each); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if each.APIVersion == "" || each.Metadata.Name != "greencommunity" || each.Metadata.Namespace != "greencommunity" {
			t.Errorf("%s: %+v", each.Kind, each.Metadata)
		}
		byKind[each.Kind] = each
	}
	set, pod := byKind["StatefulSet"], byKind["StatefulSet"].Spec.Template.Spec
	labels := set.Spec.Template.Metadata.Labels
	var own struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	var serviceSelector map[string]string
	serviceNode, setNode := byKind["Service"].Spec.Selector, set.Spec.Selector
	if err := errors.Join(serviceNode.Decode(&serviceSelector), setNode.Decode(&own)); err != nil {
		t.Fatal(err)
	}
	if len(labels) == 0 || !maps.Equal(own.MatchLabels, labels) || !maps.Equal(serviceSelector, labels) {
		t.Errorf("selectors %v and %v, labels %v", own.MatchLabels, serviceSelector, labels)
	}
	if set.Spec.ServiceName != byKind["Service"].Metadata.Name || pod.ServiceAccountName != byKind["ServiceAccount"].Metadata.Name {
		t.Error("service or its account is not there")
	}
	if pod.SecurityContext["runAsNonRoot"] != true || pod.SecurityContext["runAsUser"] != 65532 {
		t.Errorf("runs as %v", pod.SecurityContext)
	}
	there := map[string]bool{}
	for _, v := range pod.Volumes {
		there[v.Name] = true
	}
	for _, c := range set.Spec.Claims {
		there[c.Metadata.Name] = true
	}
	if len(pod.Containers) != 1 {
		t.Fatal(len(pod.Containers))
	}
	c := pod.Containers[0]
	for _, m := range c.VolumeMounts {
		if !there[m.Name] {
			t.Errorf("volume %s is not there", m.Name)
		}
		delete(there, m.Name)
	}
	if len(there) > 0 {
		t.Errorf("volumes %v are not mounted", there)
	}
	if c.SecurityContext["readOnlyRootFilesystem"] != true || c.SecurityContext["allowPrivilegeEscalation"] != false {
		t.Errorf("container: %v", c.SecurityContext)
	}
	if c.LivenessProbe.HTTPGet.Path != "/-/healthy" || c.StartupProbe.HTTPGet.Path != "/-/healthy" || c.ReadinessProbe.HTTPGet.Path != "/-/ready" {
		t.Error("probes ask for something else")
	}
	if len(c.Ports) != 1 || c.LivenessProbe.HTTPGet.Port != c.Ports[0].Name {
		t.Errorf("port %v", c.Ports)
	}
	if !strings.Contains(strings.Join(c.Args, " "), "$(POD_NAME).yaml") || len(c.Env) != 1 || c.Env[0].Name != "POD_NAME" {
		t.Errorf("arguments %q", c.Args)
	}
}

// The broker's nodes find each other, keep to one away at a time, and have in their
// environment what nats.conf asks for.
func TestKubernetesBroker(t *testing.T) {
	f, err := os.Open("kubernetes/nats.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	conf, err := os.ReadFile("nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	type document struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
		Spec     struct {
			MaxUnavailable int `yaml:"maxUnavailable"`
			Replicas       int
			Ports          []struct{ Name string }
			Template       struct {
				Spec struct {
					Containers []struct {
						Env          []struct{ Name, Value string }
						Ports        []struct{ Name string }
						VolumeMounts []struct {
							MountPath string `yaml:"mountPath"`
						} `yaml:"volumeMounts"`
					}
				}
			}
		}
	}
	byKind := map[string]document{}
	for d := yaml.NewDecoder(f); ; {
		var each document
		if err := d.Decode(&each); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if each.Metadata.Name != "nats" || each.Metadata.Namespace != "greencommunity" {
			t.Errorf("%s: %+v", each.Kind, each.Metadata)
		}
		byKind[each.Kind] = each
	}
	set := byKind["StatefulSet"].Spec
	if set.Replicas != 3 || byKind["PodDisruptionBudget"].Spec.MaxUnavailable != 1 || len(set.Template.Spec.Containers) != 1 {
		t.Fatalf("%+v", set)
	}
	c := set.Template.Spec.Containers[0]
	for _, e := range c.Env {
		if !strings.Contains(string(conf), "$"+e.Name) {
			t.Errorf("nats.conf does not ask for %s", e.Name)
		}
		if e.Name == "NATS_ROUTES" && strings.Count(e.Value, "nats://") != set.Replicas {
			t.Errorf("routes %s, nodes %d", e.Value, set.Replicas)
		}
	}
	if len(c.Env) != strings.Count(string(conf), ": $") {
		t.Errorf("environment %v", c.Env)
	}
	for _, m := range c.VolumeMounts {
		if !strings.Contains(string(conf), m.MountPath) {
			t.Errorf("nats.conf has nothing in %s", m.MountPath)
		}
	}
	if len(c.Ports) != len(byKind["Service"].Spec.Ports) || !strings.Contains(string(conf), "stream_replicas: 3") {
		t.Errorf("ports %v", c.Ports)
	}
}
