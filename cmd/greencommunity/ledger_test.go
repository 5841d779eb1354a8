package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A clerk's round with the command: template, fill in, check, import, export; and a table
// with mistakes, of which nothing is taken.
func TestLedgerCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("inventory.yaml", "communities: [{id: nancheng, name: 南城社区, compounds: [{id: jinxiu, name: 锦绣家园, renovated: 2021}]}]\nvendors:\n- {id: v, sources: [{topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}]}\n")
	write("config.yaml", "data_dir: .\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"]}\ninfluxdb: {url: \"http://127.0.0.1:1\", org: o, bucket: b}\nledger: {file: kept.csv, items: items.csv}\n")
	items, err := command(t, "ledger", "items")
	if err != nil {
		t.Fatal(err)
	}
	write("items.csv", strings.Replace(items, "绿地布局合理，有公共活动空间和设施", "本县的说法", 1))
	ledger := func(args ...string) (string, error) {
		return command(t, append([]string{"ledger", args[0], "--config", at("config.yaml")}, args[1:]...)...)
	}
	do := func(want string, args ...string) {
		t.Helper()
		out, err := ledger(args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		wantOutput(t, out, want)
	}
	do("1 communities, revision 0", "template", at("kept.csv"))
	do("1 communities, revision 0", "template", at("form.xlsx"))
	table, err := os.ReadFile(at("kept.csv"))
	if err != nil || !strings.Contains(string(table), "本县的说法") || !strings.Contains(string(table), "锦绣家园,2021") {
		t.Fatalf("%s %v", table, err)
	}
	write("kept.csv", strings.Replace(string(table), "本县的说法,待核,,,,", "本县的说法,达标,照片3张,人工,2026-03-05,李明", 1))
	do(`nancheng item 7 status: "" -> "met"`, "check", at("kept.csv"))
	out, err := command(t, "check", "--config", at("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wantOutput(t, out, "rows without mistakes; importing them changes 5 values")
	do("5 values changed, revision 1", "import", "--who", "clerk", at("kept.csv"))
	do("0 values changed, revision 1", "import", "--who", "clerk", at("kept.csv"))
	do("revision 1", "export", at("again.csv"))
	again, err := os.ReadFile(at("again.csv"))
	if err != nil || !strings.Contains(string(again), "本县的说法,达标,照片3张,人工,2026-03-05,李明,1") {
		t.Errorf("%s %v", again, err)
	}
	write("wrong.csv", strings.Replace(string(again), "达标,照片3张,人工", "达标,,", 1))
	if _, err := ledger("import", "--who", "clerk", at("wrong.csv")); err == nil ||
		!strings.Contains(err.Error(), "2 mistakes, nothing is taken · 2 处错误，未导入任何内容\n第 10 行 M 列（佐证 evidence）：达标须有佐证") {
		t.Error(err)
	}
	if _, err := ledger("export", at("ledger.ods")); err == nil || !strings.Contains(err.Error(), "is neither .xlsx nor .csv") {
		t.Error(err)
	}
}
