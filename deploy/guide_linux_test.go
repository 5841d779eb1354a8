package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the test binary as what a machine has and a test machine has not:
// systemctl, apt-get and InfluxDB's command line.
func TestMain(m *testing.M) {
	tool := map[string]func(args []string) error{"systemctl": systemctl, "apt-get": aptGet, "influx": influxCLI}[os.Getenv("GUIDE_TOOL")]
	if tool == nil {
		os.Exit(m.Run())
	}
	if err := tool(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv("GUIDE_TOOL")+":", err)
		os.Exit(1)
	}
}

// The guide without containers, walked command by command from its own text, on a
// machine with nothing but Debian's packages, Go and InfluxDB: TLS, a vendor's first
// message with feedback, an alert in a chat group, and nothing but the broker's TLS
// port open to others. The machine is made of namespaces: its network is a loopback,
// its /etc, /var/lib, /run and /usr/local/bin are copies or empty.
//
// Not Debian's here: systemd, of whose units what is started, as whom, with which
// credentials and state is followed (systemd-analyze judges the rest), and InfluxDB's
// command line, whose seven commands are made to the real server's interface.
func TestWalkGuideLong(t *testing.T) {
	if os.Getenv("GUIDE_INSIDE") != "" {
		walkGuide(t)
		return
	}
	if os.Getenv("GREENCOMMUNITY_LONG") == "" {
		t.Skip("takes three minutes: GREENCOMMUNITY_LONG=1")
	}
	for _, program := range []string{"unshare", "ip", "mosquitto", "mosquitto_pub", "prometheus", "prometheus-alertmanager", "openssl", "dpkg", "tar"} {
		need(t, program)
	}
	influxd := os.Getenv("GREENCOMMUNITY_INFLUXD")
	if influxd == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("GREENCOMMUNITY_INFLUXD names no influxd; .ci/influxdb builds one")
		}
		t.Skip("no InfluxDB 2.7 here: GREENCOMMUNITY_INFLUXD=$(.ci/influxdb) builds and names it")
	}
	var command []string
	if os.Geteuid() != 0 {
		if exec.Command("sudo", "-n", "true").Run() != nil && os.Getenv("CI") == "" {
			t.Skip("needs root")
		}
		command = []string{"sudo", "-n", "-E"}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command = append(command, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
		self, "-test.run", "^TestWalkGuideLong$", "-test.v", "-test.timeout", "10m")
	cmd := exec.Command(command[0], command[1:]...)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "GUIDE_INSIDE="+dir, "GREENCOMMUNITY_INFLUXD="+influxd)
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(value)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestWalkGuideLong")) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// guideCommands are the commands of the guide's block, without Grafana's, and those in
// its text that begin with a bold name.
func guideCommands(t *testing.T, file, heading string) (block []string, named map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatal("the guide has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, code, _ := strings.Cut(section, "```sh\n")
	code, after, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("the section has no commands")
	}
	command := ""
	for line := range strings.Lines(code) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") && strings.Contains(line, "Grafana") {
			break
		}
		if command == "" && (strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")) {
			continue
		}
		command += line
		if strings.HasSuffix(line, `\`) {
			command += "\n"
			continue
		}
		block = append(block, command)
		command = ""
	}
	named = map[string]string{}
	for paragraph := range strings.SplitSeq(after, "\n\n") {
		m := regexp.MustCompile("(?s)^\\s*(?:\\*\\*([^*]+)\\*\\*|The broker's (rules)).*?`([^`]* [^`]*)`\\.?\\s*$").FindStringSubmatch(paragraph)
		if m != nil {
			named[m[1]+m[2]] = strings.ReplaceAll(m[3], "\n", " ")
		}
	}
	return block, named
}

// Both languages give the same commands.
func TestGuidesAgree(t *testing.T) {
	comment := regexp.MustCompile(`\s+#.*$`)
	english, _ := guideCommands(t, "README.md", "One machine, without containers")
	chinese, _ := guideCommands(t, "README.zh-CN.md", "单机，不用容器")
	for i := range max(len(english), len(chinese)) {
		var e, c string
		if i < len(english) {
			e = comment.ReplaceAllString(english[i], "")
		}
		if i < len(chinese) {
			c = comment.ReplaceAllString(chinese[i], "")
		}
		if e != c {
			t.Fatalf("command %d:\n%s\nand\n%s", i+1, e, c)
		}
	}
}

// machine is the machine inside, and what was done on it.
type machine struct {
	t       *testing.T
	root    string // of the project's copy
	dir     string
	vendor  []string // environment of the vendor's commands
	started time.Time
}

func (m *machine) run(command string, stdin string) string {
	m.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", command)
	cmd.Dir, cmd.Stdin, cmd.Env = m.root, strings.NewReader(stdin), append(os.Environ(), m.vendor...)
	out, err := cmd.CombinedOutput()
	m.t.Logf("%5.1fs $ %s\n%s", time.Since(m.started).Seconds(), command, out)
	if err != nil {
		for _, unit := range []string{"greencommunity", "greencommunity-notify", "prometheus", "prometheus-alertmanager", "mosquitto"} {
			log, _ := os.ReadFile(filepath.Join(unitState, unit+".log"))
			m.t.Logf("log of %s:\n%s", unit, log[max(0, len(log)-2000):])
		}
		m.t.Fatalf("the guide's command fails: %v\n%s\n%s", err, command, out)
	}
	return string(out)
}

func (m *machine) write(path, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) until(what string, limit time.Duration, ok func() error) {
	m.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		err := ok()
		if err == nil {
			m.t.Logf("%5.1fs %s", time.Since(m.started).Seconds(), what)
			return
		}
		if time.Now().After(deadline) {
			m.run("tail -n 30 "+unitState+"/*.log", "")
			m.t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

// answers is nil if an address answers with 200.
func answers(address string) error {
	response, err := http.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 200 {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}

// prepareMachine gives the namespaces what the machine is to have.
func prepareMachine(t *testing.T) *machine {
	dir := os.Getenv("GUIDE_INSIDE")
	m := &machine{t: t, dir: dir, root: filepath.Join(dir, "greencommunity"), started: time.Now()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh := func(script string) {
		t.Helper()
		if out, err := exec.Command("bash", "-euo", "pipefail", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, script)
		}
	}
	t.Setenv("DIR", dir)
	t.Setenv("SELF", self)
	sh(`ip link set lo up
mkdir -p "$DIR"/{etc,lib/dpkg,bin,tools,home,influxdb,greencommunity}
chmod 755 "$DIR" "$DIR"/*
tar -C .. --exclude=./.git -cf - . | tar -C "$DIR/greencommunity" -xf -
cp -a /etc/. "$DIR/etc"
rm -rf "$DIR"/etc/{mosquitto,prometheus,greencommunity} "$DIR"/etc/default/prometheus*
mkdir -p "$DIR"/etc/{mosquitto,prometheus,default,systemd/system}
echo '127.0.0.1 localhost mqtt.county.example' > "$DIR/etc/hosts"
mount --bind /var/lib/dpkg "$DIR/lib/dpkg"
mount --bind "$DIR/etc" /etc
mount --rbind "$DIR/lib" /var/lib
mount --bind "$DIR/bin" /usr/local/bin
mount -t tmpfs -o mode=755 run /run
install -d -o prometheus /var/lib/prometheus /var/lib/prometheus/alertmanager
for tool in systemctl apt-get influx; do
  printf '#!/bin/sh\nGUIDE_TOOL=%s exec "%s" "$@"\n' $tool "$SELF" > "$DIR/tools/$tool"
  chmod 755 "$DIR/tools/$tool"
done`)
	t.Setenv("PATH", filepath.Join(dir, "tools")+":"+os.Getenv("PATH")+":/usr/local/bin:/usr/sbin:/sbin")
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("GOFLAGS", strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))
	t.Setenv("GUIDE_TOKEN", filepath.Join(dir, "influx-token"))
	// InfluxDB 2.7 has a package of its own, which the guide takes for granted.
	influxd := exec.Command(os.Getenv("GREENCOMMUNITY_INFLUXD"), "--reporting-disabled", "--log-level", "error", "--http-bind-address", "127.0.0.1:8086",
		"--bolt-path", filepath.Join(dir, "influxdb/bolt"), "--sqlite-path", filepath.Join(dir, "influxdb/sqlite"), "--engine-path", filepath.Join(dir, "influxdb/engine"))
	if err := influxd.Start(); err != nil {
		t.Fatal(err)
	}
	m.until("InfluxDB answers", time.Minute, func() error { return answers("http://127.0.0.1:8086/health") })
	return m
}

func walkGuide(t *testing.T) {
	m := prepareMachine(t)
	block, named := guideCommands(t, "README.md", "One machine, without containers")

	// Three chat robots.
	messages := make(chan string, 100)
	robots, err := net.Listen("tcp", "127.0.0.1:18080")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(robots, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		messages <- r.URL.Path + " " + string(body)
		io.WriteString(w, `{"errcode":0,"code":0}`)
	}))

	for _, command := range block {
		m.run(command, "")
		if strings.HasPrefix(command, "install -d -m 0700 /etc/greencommunity/robots") {
			for name, text := range map[string]string{
				"wecom-duty":      "http://127.0.0.1:18080/duty?key=1",
				"dingtalk-office": "http://127.0.0.1:18080/office?access_token=1", "dingtalk-office-secret": "SEC1",
				"feishu-operator": "http://127.0.0.1:18080/operator", "feishu-operator-secret": "S2",
			} {
				m.write("/etc/greencommunity/robots/"+name, text+"\n", 0o400)
			}
		}
	}
	for what, address := range map[string]string{
		"the ingester is ready": "http://127.0.0.1:9108/-/ready", "Prometheus is ready": "http://127.0.0.1:9090/-/ready",
		"Alertmanager is ready": "http://127.0.0.1:9093/-/ready", "notify is ready": "http://127.0.0.1:9109/-/ready",
	} {
		m.until(what, 90*time.Second, func() error { return answers(address) })
	}
	for _, address := range listening(t) {
		if !strings.HasSuffix(address, ":8883") && !net.ParseIP(address[:strings.LastIndex(address, ":")]).IsLoopback() {
			t.Errorf("%s is open to others", address)
		}
	}

	// The vendor: its password, the broker's rules, then the vendors' guide.
	password := named["A vendor's password"]
	if password == "" || named["rules"] == "" || named["Check while the service is stopped"] == "" {
		t.Fatalf("the guide's text lacks commands: %q", named)
	}
	m.run(strings.ReplaceAll(password, "NAME", "brightlamp"), "secret\nsecret\n")
	m.run(named["rules"], "")
	m.vendor = []string{"BROKER=mqtt.county.example", "VENDOR=brightlamp", "PASSWORD=secret"}
	const secure = " -p 8883 --cafile /etc/mosquitto/ca.crt"
	feedback := exec.Command("bash", "-c", `exec mosquitto_sub -h "$BROKER" -u "$VENDOR" -P "$PASSWORD"`+secure+` -q 1 -t greencommunity/v1/feedback/brightlamp`)
	feedback.Env = append(os.Environ(), m.vendor...)
	var told syncBuffer
	feedback.Stdout, feedback.Stderr = &told, &told
	if err := feedback.Start(); err != nil {
		t.Fatal(err)
	}
	first := firstVendorCommand(t)
	m.run(strings.Replace(first, "mosquitto_pub", "mosquitto_pub"+secure, 1), "")
	m.until("the vendor's first message is stored", 30*time.Second, func() error {
		body, err := get("http://127.0.0.1:9108/metrics")
		if err != nil || !strings.Contains(body, "\ngreencommunity_messages_stored_total 1\n") {
			return fmt.Errorf("not stored: %v", err)
		}
		return nil
	})
	publish := func(topic, payload string) {
		m.run(`mosquitto_pub -h "$BROKER" -u "$VENDOR" -P "$PASSWORD"`+secure+` -q 1 -t '`+topic+`' -m '`+payload+`'`, "")
	}
	m.until("what is wrong is told the vendor", 30*time.Second, func() error {
		publish("greencommunity/v1/nancheng/waste/bin-7", `{"fill_level":40}`)
		time.Sleep(time.Second)
		if text := told.String(); !strings.Contains(text, `"reason":"out_of_range"`) {
			return fmt.Errorf("heard %q", text)
		}
		return nil
	})

	// A fire, and the people on duty hear of it.
	for _, degrees := range []int{91, 93, 95} {
		publish("greencommunity/v1/nancheng/waste/bin-1", fmt.Sprintf(`{"bin_temperature":%d}`, degrees))
	}
	m.until("the robot of those on duty tells of the fire", 4*time.Minute, func() error {
		for {
			select {
			case message := <-messages:
				t.Log(message)
				if strings.HasPrefix(message, "/duty ") && strings.Contains(message, "垃圾桶起火") && strings.Contains(message, "南城社区") && strings.Contains(message, "bin-1") {
					return nil
				}
			default:
				return fmt.Errorf("nothing yet")
			}
		}
	})

	// While the service is stopped, and after that.
	m.run("systemctl stop greencommunity", "")
	if out := m.run(named["Check while the service is stopped"], ""); !strings.Contains(out, "takes points") || !strings.Contains(out, "every filter granted") {
		t.Errorf("check says\n%s", out)
	}
	m.run("systemctl enable --now greencommunity", "")
	m.until("started again", time.Minute, func() error { return answers("http://127.0.0.1:9108/-/ready") })
}

// firstVendorCommand is the first command of the vendors' guide that publishes.
func firstVendorCommand(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/vendors/README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh\n(mosquitto_pub .*?)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the vendors' guide publishes nothing")
	}
	return string(m[1])
}

func get(address string) (string, error) {
	response, err := http.Get(address)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// listening is every TCP address of the namespace that somebody listens on.
func listening(t *testing.T) (addresses []string) {
	t.Helper()
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(text)) {
			field := strings.Fields(line)
			if len(field) < 4 || field[3] != "0A" {
				continue
			}
			host, port, _ := strings.Cut(field[1], ":")
			ip := make(net.IP, len(host)/2)
			for i := range ip { // 32 bits at a time, the least significant byte first
				b, _ := strconv.ParseUint(host[2*i:2*i+2], 16, 8)
				ip[i/4*4+3-i%4] = byte(b)
			}
			n, _ := strconv.ParseUint(port, 16, 16)
			addresses = append(addresses, net.JoinHostPort(ip.String(), strconv.FormatUint(n, 10)))
		}
	}
	for i := range addresses {
		addresses[i] = strings.NewReplacer("[", "", "]", "").Replace(addresses[i])
	}
	return addresses
}

// unitState has process ids and logs of what systemctl has started.
const unitState = "/run/guide"

// systemctl starts, ends and reloads units: as their user, with their credentials,
// environment and state.
func systemctl(args []string) error {
	verb, units := args[0], slices.DeleteFunc(slices.Clone(args[1:]), func(a string) bool { return a == "--now" })
	if verb == "enable" && !slices.Contains(args, "--now") {
		return fmt.Errorf("enable without --now starts nothing")
	}
	for _, unit := range units {
		u, err := readUnit(unit)
		if err != nil {
			return err
		}
		switch verb {
		case "enable", "start":
			err = u.start()
		case "restart":
			if err = u.signal(syscall.SIGTERM, true); err == nil {
				err = u.start()
			}
		case "stop":
			err = u.signal(syscall.SIGTERM, true)
		case "reload":
			if !strings.Contains(u.one("ExecReload"), "-HUP $MAINPID") {
				return fmt.Errorf("%s cannot be reloaded", unit)
			}
			err = u.signal(syscall.SIGHUP, false)
		default:
			return fmt.Errorf("%q is not known here", verb)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", unit, err)
		}
	}
	return nil
}

type unit struct {
	name   string
	values map[string][]string
}

func (u *unit) one(key string) string {
	if v := u.values[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func readUnit(name string) (*unit, error) {
	name = strings.TrimSuffix(name, ".service")
	for _, dir := range []string{"/etc/systemd/system", "/lib/systemd/system"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".service"))
		if err != nil {
			continue
		}
		u := &unit{name: name, values: map[string][]string{}}
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
				u.values[key] = append(u.values[key], value)
			}
		}
		return u, nil
	}
	return nil, fmt.Errorf("unit %s is not there", name)
}

func (u *unit) pid() int {
	text, _ := os.ReadFile(filepath.Join(unitState, u.name+".pid"))
	pid, _ := strconv.Atoi(string(text))
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); pid == 0 || err != nil || bytes.Contains(stat, []byte(") Z ")) {
		return 0
	}
	return pid
}

func (u *unit) signal(signal syscall.Signal, wait bool) error {
	pid := u.pid()
	if pid == 0 {
		if !wait {
			return fmt.Errorf("it does not run")
		}
		return nil
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); wait && u.pid() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("it does not end")
		}
	}
	return nil
}

func (u *unit) start() error {
	if u.pid() != 0 {
		return nil
	}
	if err := os.MkdirAll(unitState, 0o755); err != nil {
		return err
	}
	uid, gid := uint32(0), uint32(0)
	switch name := u.one("User"); {
	case u.one("DynamicUser") == "yes":
		uid, gid = 61184, 61184
	case name != "":
		who, err := user.Lookup(name)
		if err != nil {
			return err
		}
		id, _ := strconv.Atoi(who.Uid)
		group, _ := strconv.Atoi(who.Gid)
		uid, gid = uint32(id), uint32(group)
	}
	if err := u.credentials(int(uid)); err != nil {
		return err
	}
	if dir := u.one("StateDirectory"); dir != "" {
		path := filepath.Join("/var/lib", dir)
		if err := os.MkdirAll(path, 0o750); err != nil {
			return err
		}
		if err := os.Chown(path, int(uid), int(gid)); err != nil {
			return err
		}
	}
	for _, command := range u.values["ExecStartPre"] {
		if out, err := exec.Command("bash", "-c", command).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	script := "exec " + u.one("ExecStart")
	if file := u.one("EnvironmentFile"); file != "" {
		script = "set -a; . " + strings.TrimPrefix(file, "-") + "; " + script
	}
	log, err := os.OpenFile(filepath.Join(unitState, u.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	if dir := u.one("WorkingDirectory"); dir != "" {
		cmd.Dir = dir
	}
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	var ready *net.UnixConn
	if u.one("Type") == "notify" && strings.HasPrefix(u.name, "greencommunity") {
		path := filepath.Join(unitState, u.name+".notify")
		os.Remove(path)
		if ready, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o666); err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unitState, u.name+".pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		return err
	}
	if ready != nil {
		buffer := make([]byte, 64)
		_ = ready.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := ready.Read(buffer); err != nil || string(buffer[:n]) != "READY=1" {
			return fmt.Errorf("it does not say that it is started: %q %v", buffer[:n], err)
		}
		return nil
	}
	time.Sleep(500 * time.Millisecond)
	if u.pid() == 0 {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("it ended at once: %s", text)
	}
	return nil
}

// credentials copies what LoadCredential names to where the service finds it.
func (u *unit) credentials(uid int) error {
	into := filepath.Join("/run/credentials", u.name+".service")
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	for _, each := range u.values["LoadCredential"] {
		name, path, _ := strings.Cut(each, ":")
		files := map[string]string{name: path}
		if list, err := os.ReadDir(path); err == nil {
			clear(files)
			for _, f := range list {
				files[name+"_"+f.Name()] = filepath.Join(path, f.Name())
			}
		}
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		for to, from := range files {
			text, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			to = filepath.Join(into, to)
			if err := os.WriteFile(to, text, 0o400); err != nil {
				return err
			}
			if err := os.Chown(to, uid, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

// aptGet says whether what is to be installed is: the machine has no network.
func aptGet(args []string) error {
	for _, name := range args[1:] {
		if strings.HasPrefix(name, "-") {
			continue
		}
		if out, err := exec.Command("dpkg", "-s", name).CombinedOutput(); err != nil {
			return fmt.Errorf("%s", out)
		}
	}
	return nil
}

// influxCLI is those commands of InfluxDB's that the guide has, on the server.
func influxCLI(args []string) error {
	flags, words := map[string]string{}, []string{}
	for i := 0; i < len(args); i++ {
		switch name := strings.TrimPrefix(args[i], "--"); {
		case name == args[i]:
			words = append(words, name)
		case slices.Contains([]string{"force", "hide-headers", "json", "default"}, name):
			flags[name] = "true"
		case i+1 == len(args):
			return fmt.Errorf("--%s wants a value", name)
		default:
			i++
			flags[name] = args[i]
		}
	}
	tokenFile := os.Getenv("GUIDE_TOKEN")
	do := func(method, path string, body, into any) error {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		request, err := http.NewRequest(method, "http://127.0.0.1:8086"+path, bytes.NewReader(text))
		if err != nil {
			return err
		}
		if token, err := os.ReadFile(tokenFile); err == nil {
			request.Header.Set("Authorization", "Token "+string(token))
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode/100 != 2 {
			err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
		}
		if err != nil || into == nil {
			return err
		}
		return json.Unmarshal(answer, into)
	}
	type object = map[string]any
	var found struct{ Orgs, Buckets []struct{ ID, Name string } }
	org := ""
	if words[0] != "setup" {
		if err := do(http.MethodGet, "/api/v2/orgs", nil, &found); err != nil {
			return err
		}
		org = found.Orgs[0].ID
	}
	retention := func() int {
		d, _ := time.ParseDuration(flags["retention"])
		return int(d / time.Second)
	}
	bucket := func(action, id string) []object {
		return []object{{"action": action, "resource": object{"type": "buckets", "id": id, "orgID": org}}}
	}
	switch command := strings.Join(words, " "); command {
	case "setup":
		var answer struct{ Auth struct{ Token string } }
		if err := do(http.MethodPost, "/api/v2/setup", object{"username": flags["username"], "password": flags["password"], "org": flags["org"], "bucket": flags["bucket"], "retentionPeriodSeconds": retention()}, &answer); err != nil {
			return err
		}
		return os.WriteFile(tokenFile, []byte(answer.Auth.Token), 0o600)
	case "bucket list":
		if err := do(http.MethodGet, "/api/v2/buckets?name="+url.QueryEscape(flags["name"]), nil, &found); err != nil {
			return err
		}
		for _, b := range found.Buckets {
			fmt.Printf("%s\t%s\n", b.ID, b.Name)
		}
		return nil
	case "bucket create":
		return do(http.MethodPost, "/api/v2/buckets", object{"orgID": org, "name": flags["name"], "retentionRules": []object{{"type": "expire", "everySeconds": retention()}}}, nil)
	case "v1 dbrp create":
		return do(http.MethodPost, "/api/v2/dbrps", object{"orgID": org, "bucketID": flags["bucket-id"], "database": flags["db"], "retention_policy": flags["rp"], "default": flags["default"] != ""}, nil)
	case "v1 auth create":
		var made struct{ ID string }
		if err := do(http.MethodPost, "/private/legacy/authorizations", object{"orgID": org, "token": flags["username"], "permissions": bucket("read", flags["read-bucket"])}, &made); err != nil {
			return err
		}
		return do(http.MethodPost, "/private/legacy/authorizations/"+made.ID+"/password", object{"password": flags["password"]}, nil)
	case "auth create":
		var made object
		if err := do(http.MethodPost, "/api/v2/authorizations", object{"orgID": org, "description": flags["description"], "permissions": bucket("write", flags["write-bucket"])}, &made); err != nil {
			return err
		}
		text, err := json.MarshalIndent(made, "", "\t")
		fmt.Println(string(text))
		return err
	case "task create":
		flux, err := os.ReadFile(flags["file"])
		if err != nil {
			return err
		}
		return do(http.MethodPost, "/api/v2/tasks", object{"orgID": org, "flux": string(flux)}, nil)
	default:
		return fmt.Errorf("%q is not known here", command)
	}
}

// syncBuffer is what a process has printed so far.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
