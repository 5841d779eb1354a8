package journal

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"greencommunity/ingest"
)

// mixed are messages as devices send them, by kind: what makes them differ is
// random, as it is of real ones.
func mixed(kind string, i int, random *rand.Rand) *ingest.Message {
	dev := random.IntN(10_000)
	ts := 1_795_392_000_000 + int64(i)/200*1000 + random.Int64N(900)
	m := &ingest.Message{Received: 1_795_392_000_000_000_000 + int64(i)*7_919, PacketID: uint16(i), QoS: 1}
	text := func(topic, format string, a ...any) {
		m.Topic, m.Payload = topic, fmt.Appendf(nil, format, a...)
	}
	native := func(facility string) string {
		return fmt.Sprintf("greencommunity/v1/c%03d/%s/d%06d", dev%50, facility, dev)
	}
	switch kind {
	case "native":
		switch dev % 4 {
		case 0:
			text(native("lighting"), `{"time":%d,"active_power":%.1f,"energy_total":%.3f,"light_level":%.2f,"light_on":true,"voltage":%.1f}`, ts, 35+random.Float64()*7, random.Float64()*9000, random.Float64(), 219+random.Float64()*5)
		case 1:
			text(native("water"), `{"time":%d,"water_volume_total":%.3f,"water_flow":%.6f,"battery_voltage":3.58,"valve_open":true}`, ts, random.Float64()*900, random.Float64()/1000)
		case 2:
			text(native("waste"), `{"time":%d,"fill_level":%.3f,"waste_weight":%.2f,"bin_temperature":%.1f,"lid_open":false}`, ts, random.Float64(), random.Float64()*40, 21.5+random.Float64()*3)
		default:
			text(native("gate"), `{"time":%d,"pass_in_total":%d,"pass_out_total":%d,"door_open":false,"battery_level":%d}`, ts, random.IntN(90_000), random.IntN(90_000), 60+dev%40)
		}
	case "chirpstack":
		eui := fmt.Sprintf("24e124%010x", dev*7919)
		data := make([]byte, 12)
		for k := range data {
			data[k] = byte(random.Uint32())
		}
		text("application/5f1b6e3c-2c1f-4d7a-9d8e-0c6f3a1b2d4e/device/"+eui+"/event/up",
			`{"deduplicationId":"%08x-%04x-4%03x-a%03x-%012x","time":"2026-11-28T07:%02d:%02d.%03d+00:00","deviceInfo":{"tenantId":"52f14cd4-c6f1-4fbd-8f87-4025e1d49242","tenantName":"ChirpStack","applicationId":"5f1b6e3c-2c1f-4d7a-9d8e-0c6f3a1b2d4e","applicationName":"water","deviceProfileId":"605d08d4-65f5-4d2c-8a5a-3d2457662f79","deviceProfileName":"meter","deviceName":"wm-%05d","devEui":"%s","tags":{}},"devAddr":"%08x","adr":true,"dr":%d,"fCnt":%d,"fPort":85,"confirmed":false,"data":"%s","rxInfo":[{"gatewayId":"0016c001f15%05x","uplinkId":%d,"rssi":-%d,"snr":%.1f,"channel":%d,"location":{},"context":"%s","metadata":{"region_common_name":"CN470"},"crcStatus":"CRC_OK"}],"txInfo":{"frequency":%d,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":%d,"codeRate":"CR_4_5"}}}}`,
			random.Uint32(), random.IntN(65536), random.IntN(4096), random.IntN(4096), random.Int64N(1<<48), random.IntN(60), random.IntN(60), random.IntN(1000),
			dev, eui, random.Uint32(), random.IntN(6), random.IntN(60_000), base64.StdEncoding.EncodeToString(data), random.IntN(40), random.Uint32(), 60+random.IntN(60), random.Float64()*12, random.IntN(8),
			base64.StdEncoding.EncodeToString(data[:4]), 470_300_000+200_000*random.IntN(8), 7+random.IntN(6))
	case "dlt645":
		frame := []byte{0x68, byte(dev), byte(dev >> 8), 0x12, 0x26, 0x01, 0x00, 0x68, 0x91, 0x08, 0x33, 0x33, 0x34, 0x33}
		for range 4 {
			frame = append(frame, byte(random.Uint32()))
		}
		text(fmt.Sprintf("meters/dtu-%04d/up", dev/16), "FEFEFEFE%X%02X16", frame, random.IntN(256))
	}
	return m
}

// What messages of a kind take in the journal, by codec and by how many a group
// has: bytes and time a message.
func BenchmarkRatio(b *testing.B) {
	fastest, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range []string{"native", "chirpstack", "dlt645"} {
		random := rand.New(rand.NewPCG(1, 2))
		var all []*ingest.Message
		raw := 0
		for i := range 4096 {
			all = append(all, mixed(kind, i, random))
			raw += recordBytes(all[i])
		}
		for _, group := range []int{16, 64, 256} {
			for _, block := range []int{blockBytes, 4 * blockBytes} {
				for _, codec := range []struct {
					name string
					pack func(dst, plain []byte) []byte
				}{
					{"s2", func(dst, plain []byte) []byte { return s2.Encode(dst[:cap(dst)], plain) }},
					{"zstd", func(dst, plain []byte) []byte { return fastest.EncodeAll(plain, dst[:0]) }},
				} {
					b.Run(fmt.Sprintf("%s/%d/%dKiB/%s", kind, group, block>>10, codec.name), func(b *testing.B) {
						var plain, packed []byte
						size := 0
						for b.Loop() {
							size = 0
							for at := 0; at < len(all); at += group {
								plain = plain[:0]
								after := int64(0)
								for _, m := range all[at : at+group] {
									if len(plain) > 0 && len(plain)+recordBytes(m) > block {
										packed = codec.pack(packed, plain)
										size += len(packed) + pieceHeader + blockHeader
										plain, after = plain[:0], 0
									}
									plain = appendPlain(plain, m, after)
									after = m.Received
								}
								packed = codec.pack(packed, plain)
								size += len(packed) + pieceHeader + blockHeader
							}
						}
						b.ReportMetric(0, "ns/op")
						b.ReportMetric(float64(size)/float64(len(all)), "B/message")
						b.ReportMetric(float64(raw)/float64(len(all)), "raw-B")
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/message")
					})
				}
			}
		}
	}
}
