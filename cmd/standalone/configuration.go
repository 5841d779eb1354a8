package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"greencommunity/ingest/simulator"
)

// ownInventory is the inventory to begin with for somebody who has no use for the simulated
// communities.
const ownInventory = `# Your communities and vendors; see the README. Reload with
#   curl -X POST http://ADDRESS/-/reload
communities:
- {id: my-community, name: 我的社区}
vendors:
- id: my-vendor
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// inventory writes inventory.yaml if there is none yet.
func (c *cli) inventory() error {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return err
	}
	path := filepath.Join(c.DataDir, "inventory.yaml")
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c.NoDemo {
		return os.WriteFile(path, []byte(ownInventory), 0o640)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, ledgerFile), []byte(demoLedger(time.Now())), 0o640); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(simulator.SystemsInventory()), 0o640)
}

// ledgerFile is the table of the ledger in the data directory, which a clerk may go on
// with, or put one of her own in its place.
const ledgerFile = "ledger.csv"

// demoLedger is a ledger that is half filled in: what a clerk of two pilots has by now.
func demoLedger(now time.Time) string {
	var b strings.Builder
	b.WriteString("\ufeff社区编号,创建阶段,阶段日期,联系人,小区,改造年份,事项编号,状态,佐证,来源,日期,填报人\n")
	day := func(ago int) string { return now.AddDate(0, 0, -ago-1).Format(time.DateOnly) }
	fmt.Fprintf(&b, "nancheng,参与,%s,南城社区居委会 0938-0000001,,,,,,,,\nxicheng,参与,%s,西城社区居委会 0938-0000002,,,,,,,,\n", day(240), day(200))
	b.WriteString("nancheng,,,,锦绣家园,2021,,,,,,\nxicheng,,,,和平苑,2021,,,,,,\n")
	item := func(community string, number int, status, evidence string, ago int) {
		fmt.Fprintf(&b, "%s,,,,,,%d,%s,%s,人工,%s,演示经办人\n", community, number, status, evidence, day(ago))
	}
	for _, i := range []struct {
		number   int
		evidence string
	}{{1, "居民议事会记录"}, {2, "议事平台上线公告"}, {3, "改造方案评审会纪要"}, {4, "基础设施普查表"}, {7, "绿地与活动场地现状图"}, {9, "无障碍改造竣工照片"}, {12, "物业服务合同"}, {13, "宣传栏照片"}, {14, "培训签到表"}, {15, "公约张贴照片"}} {
		item("nancheng", i.number, "达标", i.evidence, 3*i.number)
		if i.number < 5 {
			item("xicheng", i.number, "达标", i.evidence, 4*i.number)
		}
	}
	item("nancheng", 16, "未达标", "两株古树尚未挂牌", 20)
	item("xicheng", 9, "未达标", "三个单元尚无坡道", 25)
	return b.String()
}

// configuration writes config.yaml, which follows from the command line, and
// returns its path.
func (c *cli) configuration(broker, influxdb string) (string, error) {
	path, web := filepath.Join(c.DataDir, "config.yaml"), ""
	if c.WebConfig != "" {
		absolute, err := filepath.Abs(c.WebConfig)
		if err != nil {
			return "", err
		}
		web = fmt.Sprintf(", web_config_file: %q", absolute)
	}
	ledger := ""
	if _, err := os.Stat(filepath.Join(c.DataDir, ledgerFile)); err == nil {
		ledger = fmt.Sprintf("ledger: {file: %s}\n", ledgerFile)
	}
	text := fmt.Sprintf(`# Written at each start of standalone, from its command line.
data_dir: ingester
inventory: inventory.yaml
mqtt: {brokers: [%q], username: %s, password_file: mqtt_password}
influxdb: {url: %q, org: bureau, bucket: facilities, token_file: influxdb_token}
http: {listen: %q%s}
%s`, reachable(broker), ingestUser, reachable(influxdb), c.HTTP, web, ledger)
	if c.Access != "" {
		section, err := os.ReadFile(c.Access)
		if err != nil {
			return "", fmt.Errorf("--access: %w", err)
		}
		text += "access:\n  " + strings.ReplaceAll(strings.TrimSpace(string(section)), "\n", "\n  ") + "\n"
	}
	return path, os.WriteFile(path, []byte(text), 0o640)
}

// reachable is a URL with the address of this machine in place of all of them.
func reachable(u string) string {
	for _, all := range []string{"0.0.0.0", "[::]"} {
		u = strings.Replace(u, "://"+all+":", "://127.0.0.1:", 1)
	}
	return u
}

func host(addr string) string { h, _, _ := net.SplitHostPort(addr); return h }
func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
