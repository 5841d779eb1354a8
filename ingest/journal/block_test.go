package journal

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Blocks of typical messages by S2 and zstd: time and size.
func BenchmarkBlock(b *testing.B) {
	for _, n := range []int{8, 16, 24, 32, 300} {
		var plain []byte
		after := int64(0)
		for i := range n {
			m := typical(i)
			plain = appendPlain(plain, m, after)
			after = m.Received
		}
		run := func(name string, pack func(dst []byte) []byte) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var packed []byte
				for b.Loop() {
					packed = pack(packed)
				}
				b.ReportMetric(float64(len(packed))/float64(n), "B/message")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
			})
		}
		run("s2", func(dst []byte) []byte { return s2.Encode(dst[:cap(dst)], plain) })
		zstdEncoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blockBytes))
		if err != nil {
			b.Fatal(err)
		}
		run("zstd", func(dst []byte) []byte { return zstdEncoder.EncodeAll(plain, dst[:0]) })
	}
}
