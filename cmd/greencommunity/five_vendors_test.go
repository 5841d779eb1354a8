package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

// Every fragment of the guide is run: those of a format by TestVendorGuide, the whole
// inventory by TestGuidesWholeInventory, the variables and the posting by
// TestFiveVendorsByTheGuide. A new one elsewhere is none of these, and fails.
func TestEveryFragmentIsRun(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		sections, guide := readGuide(t, name)
		known := []string{"export BROKER=broker.example VENDOR=acme PASSWORD=secret"}
		for _, s := range sections {
			known = append(known, s.yaml, s.sh, s.text)
		}
		_, whole, _ := strings.Cut(guide, "```yaml\ncommunities:")
		whole, _, _ = strings.Cut(whole, "\n```")
		known = append(known, "communities:"+whole)
		rest, fragments := guide, 0
		for {
			_, after, ok := strings.Cut(rest, "\n```")
			if !ok {
				break
			}
			_, body, _ := strings.Cut(after, "\n")
			text, more, ok := strings.Cut(body, "\n```")
			if !ok {
				t.Fatalf("%s: a fragment has no end: %.60q", name, body)
			}
			fragments, rest = fragments+1, more
			found := false
			for _, k := range known {
				found = found || k == text
			}
			if !found {
				t.Errorf("%s: no test runs %.200q", name, text)
			}
		}
		if fragments < 3*len(sections) {
			t.Errorf("%s: %d fragments of %d sections", name, fragments, len(sections))
		}
	}
}

// A vendor of each of five kinds gets from nothing to InfluxDB with what the guide says:
// its inventory, its commands, a reload. Nothing is restarted.
func TestFiveVendorsByTheGuide(t *testing.T) {
	t.Parallel()
	pub := program(t, "mosquitto_pub")
	program(t, "curl")
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Anonymous: true, Users: []embedded.User{{Name: "acme", Password: "secret", Publish: []string{"#"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	bin := built.Path(t)
	post := "127.0.0.1:" + freePort(t)
	// acme's password in Mosquitto's file, as mosquitto_passwd writes it.
	passwords := filepath.Join(t.TempDir(), "passwords")
	if out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords, "acme", "secret").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	dir, httpAddr, path := writeConfig(t, broker.Addr(), "http://"+db.addr, fmt.Sprintf("push: {listen: %q, password_file: %q}\n", post, passwords))
	guide, text := readGuide(t, "README.md")
	_, whole, _ := strings.Cut(text, "```yaml\ncommunities:")
	whole, _, _ = strings.Cut(whole, "```")
	whole = "communities:" + whole
	write := func(inventory string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(whole)
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()

	tools := t.TempDir()
	_, port, _ := strings.Cut(broker.Addr(), ":")
	if err := os.WriteFile(filepath.Join(tools, "mosquitto_pub"), []byte("#!/bin/sh\nexec "+pub+" -p "+port+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := func(script string) string {
		t.Helper()
		command := exec.Command("bash", "-euc", "export BROKER=127.0.0.1 VENDOR=acme PASSWORD=secret\n"+script)
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), "PATH="+tools+":"+filepath.Dir(bin)+":"+os.Getenv("PATH"))
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v %s", script, err, out)
		}
		return string(out)
	}
	// What the guide has for a format, beneath the vendor of its whole inventory.
	sources := strings.TrimSpace(whole[strings.Index(whole, "  sources:"):])
	reload := func(yaml string) {
		t.Helper()
		_, list, _ := strings.Cut(yaml, "  sources:\n")
		sources += "\n" + strings.TrimRight(list, "\n ")
		write(whole[:strings.Index(whole, "  sources:")] + "  " + strings.TrimSpace(sources) + "\n")
		r, err := http.Post(in.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			var said bytes.Buffer
			_, _ = said.ReadFrom(r.Body)
			t.Fatalf("reload: %s %s", r.Status, said.String())
		}
	}
	holds := func(query, want string) {
		t.Helper()
		eventually(t, 30*time.Second, query, func() error {
			rows := db.rows(query)
			if len(rows) == 0 {
				return fmt.Errorf("no rows")
			}
			delete(rows[0], "time")
			if have := fmt.Sprint(rows[0]); have != want {
				return fmt.Errorf("%s, want %s", have, want)
			}
			return nil
		})
	}
	sameTopic := strings.NewReplacer("acme/bin-7/data", "acme/bins/bin-7/data", "acme/{device}/data", "acme/bins/{device}/data") // the whole inventory has acme/{device}/data
	shell("mosquitto_pub -h \"$BROKER\" -u \"$VENDOR\" -P \"$PASSWORD\" -q 1 -t acme/m1/data -m '{\"total\":12.5}'")
	holds(`SELECT water_volume_total FROM water WHERE device='m1'`, "map[water_volume_total:12.5]")

	// 1. A private JSON.
	reload(sameTopic.Replace(guide["json"].yaml))
	shell(sameTopic.Replace(guide["json"].sh))
	holds(`SELECT fill_level, lid_open FROM waste WHERE device='bin-7'`, "map[fill_level:0.4 lid_open:0]")
	// 2. A DTU with meters behind it.
	reload(guide["dlt645"].yaml)
	shell(guide["dlt645"].sh)
	holds(`SELECT last(energy_total) AS total FROM lighting`, "map[total:34.12]")
	// 3. A gate that posts by HTTP.
	reload(guide["hikvision"].yaml)
	event := strings.Split(guide["hikvision"].sh, "-m '")[1]
	shell("echo '" + strings.TrimSuffix(strings.TrimSpace(event), "'") + "' > event.json\ncurl -sSf -u \"$VENDOR:$PASSWORD\" --data-binary @event.json http://" + post + "/hikvision/gate-1/event")
	holds(`SELECT last(code) AS code FROM events WHERE device='gate-1' AND type='door_forced'`, "map[code:5/27]")
	// 4. LoRaWAN with a device nobody knows: decode prints what to paste.
	const unknown = `{"deviceInfo":{"devEui":"70b3d57ed0000001","deviceProfileName":"nobody-knows"},"fPort":2,"data":"AQID","object":{"wasserStandTotal":3,"batVolt":3.6,"levelPct":41}}`
	reload(guide["chirpstack"].yaml)
	shell(guide["chirpstack"].sh)
	holds(`SELECT fill_distance FROM waste WHERE device='24e124136b000001'`, "map[fill_distance:2.116]")
	printed := shell("echo '" + unknown + "' > up.json\n" + filepath.Base(bin) + " decode --format chirpstack --facility waste --topic application/7/device/70b3d57ed0000001/event/up up.json 2>&1 >/dev/null || true")
	_, fields, _ := strings.Cut(printed, "    fields:\n")
	if !strings.Contains(fields, "battery_voltage") {
		t.Fatalf("decode prints %s", printed)
	}
	sources += "\n    fields:\n" + strings.TrimRight(fields, "\n")
	chirp := strings.LastIndex(sources, "  - {topic: \"application/")
	line, rest, _ := strings.Cut(sources[chirp:], "\n") // a source with fields is written in lines
	sources = sources[:chirp] + "  - topic: \"application/+/device/{device}/event/+\"\n    format: chirpstack\n    community: nancheng\n    facility: waste\n" + rest
	if !strings.Contains(line, "chirpstack") {
		t.Fatal(line)
	}
	reload("")
	shell("mosquitto_pub -h \"$BROKER\" -u \"$VENDOR\" -P \"$PASSWORD\" -q 1 -t application/7/device/70b3d57ed0000001/event/up -m '" + unknown + "'")
	holds(`SELECT battery_voltage FROM waste WHERE device='70b3d57ed0000001'`, "map[battery_voltage:3.6]")
	// 5. What a platform forwards.
	reload(guide["alink"].yaml)
	shell(guide["alink"].sh)
	holds(`SELECT active_power, light_level FROM lighting WHERE device='lamp-2'`, "map[active_power:41.5 light_level:0.8]")
}
