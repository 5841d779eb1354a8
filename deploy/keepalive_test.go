package deploy_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Case operations 12: the shipped mosquitto.conf accepts every keep-alive. Mosquitto
// 2.0.12 and later refuse 0 and above the limit as "identifier rejected" where
// max_keepalive is set; Debian 12's older one accepts all, so that the file is looked at
// as well. By hand it was tried on 2.0.22 too.
func TestOperations12KeepaliveIdentifierRejected(t *testing.T) {
	t.Parallel()
	mosquitto := need(t, "mosquitto")
	conf, err := os.ReadFile("mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*max_keepalive`).Match(conf) {
		t.Error("max_keepalive is set: keep-alive 0 and above it are refused")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	// The shipped file, but for its ports, its files and who may connect.
	text := string(conf)
	text = regexp.MustCompile(`(?ms)^listener 8883.*?^listener 1883 127.0.0.1$`).ReplaceAllString(text, "listener "+address[strings.LastIndex(address, ":")+1:]+" 127.0.0.1")
	text = regexp.MustCompile(`(?m)^(password_file|acl_file) .*$`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "allow_anonymous false", "allow_anonymous true")
	text = strings.ReplaceAll(text, "/var/lib/mosquitto/", dir+"/")
	if os.Geteuid() == 0 {
		text += "\nuser root\n"
	}
	path := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := exec.Command(mosquitto, "-c", path)
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Process.Kill(); broker.Wait() })
	for _, keepalive := range []uint16{0, 1, 60, 3600, 3601, 43200, 65535} {
		id := fmt.Sprintf("meter-gw-%d", keepalive)
		packet := append([]byte{0, 4}, "MQTT\x04\x02"...)
		packet = binary.BigEndian.AppendUint16(packet, keepalive)
		packet = append(binary.BigEndian.AppendUint16(packet, uint16(len(id))), id...)
		var c net.Conn
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if c, err = net.Dial("tcp", address); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		if _, err := c.Write(append([]byte{0x10, byte(len(packet))}, packet...)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 4)
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(answer); err != nil || answer[0] != 0x20 || answer[3] != 0 {
			t.Errorf("keep-alive %d: %v %v, want accepted", keepalive, answer, err)
		}
		c.Close()
	}
}
