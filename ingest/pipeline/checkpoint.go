package pipeline

import (
	"bufio"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// A checkpoint is all that is not in the journal, as of one message of it:
//
//	magic, then blocks: header (gob), series, states of observers, 0, CRC-32C
//
// It is written as a stream to a new file, which takes the old one's name once
// it is durable, so that there is always one whole checkpoint and none of it is
// held twice in memory. The devices, which only ever are added to, are lines
// of a file of their own, of which the header says how much counts.
type checkpointHeader struct {
	Seq         uint64 // the last message walked
	Now         int64  // the observers' clock
	Tally       tally
	Pending     pendingSet
	Stamps      stamps   // times of pending messages that the walker chose
	Names       []string // of channels and quantities, by number
	Brought     map[ingest.VendorID]broughtIn
	WideKeys    bool // a series' key has 32 bits for each name; 16 before
	Devices     int  // lines of the devices file
	DeviceBytes int64
	Removed     []uint32                 // devices that were let go, by index
	Moved       map[uint32]ingest.Origin // where devices are that have moved, by index
	Derived     [][]byte                 // points of observers that InfluxDB has not confirmed
	Decoders    []byte                   // what decoders remember
	Settled     uint64                   // the last message of which the broker is known to have our acknowledgement
	States      []string                 // names of the observers whose states follow
}

const checkpointMagic = "greencommunity checkpoint 2\n"

// accountHeader is the account of a later message than the checkpoint's. A
// checkpoint of a million devices takes seconds and is written once a minute;
// what /metrics shows is durable, and so in this file, every second.
type accountHeader struct {
	Seq     uint64
	Tally   tally
	Pending pendingSet
	Settled uint64 // as in the checkpoint
}

// after reports whether the account was taken after the checkpoint.
func (a *accountHeader) after(h *checkpointHeader) bool {
	if a.Seq != h.Seq {
		return a.Seq > h.Seq
	}
	return a.Tally.decided() > h.Tally.decided() || a.Tally.Points > h.Tally.Points
}

const accountMagic = "greencommunity account 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checkpointPath(dir string) string { return filepath.Join(dir, "checkpoint") }

func accountPath(dir string) string { return filepath.Join(dir, "account") }

// checkpointWriter writes a checkpoint, or an account, to a file that does not
// have its name yet.
type checkpointWriter struct {
	path string
	file *os.File
	sum  hash.Hash32
	w    *bufio.Writer
	buf  []byte
}

func createCheckpoint(path string) (*checkpointWriter, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	c := &checkpointWriter{path: path, file: f, sum: crc32.New(castagnoli)}
	c.w = bufio.NewWriterSize(io.MultiWriter(f, c.sum), 64<<10)
	return c, nil
}

// write writes all of it. An error of the file itself shows in finish.
func (c *checkpointWriter) write(h *checkpointHeader, s *seen, observers []ingest.Saver) error {
	for _, o := range observers {
		h.States = append(h.States, o.Name())
	}
	c.w.WriteString(checkpointMagic)
	if err := gob.NewEncoder(c.w).Encode(h); err != nil {
		return err
	}
	for d := range s.devices.All() {
		c.buf = s.append(c.buf[:0], d)
		c.w.Write(c.buf)
	}
	for _, o := range observers {
		b := &blockWriter{w: c.w}
		if err := o.Save(b); err != nil {
			return fmt.Errorf("state of %s: %w", o.Name(), err)
		}
		c.w.WriteByte(0)
	}
	return c.w.Flush()
}

// writeAccount writes the account, whole.
func writeAccount(dir string, h *accountHeader) error {
	c, err := createCheckpoint(accountPath(dir))
	if err != nil {
		return err
	}
	c.w.WriteString(accountMagic)
	if err := errors.Join(gob.NewEncoder(c.w).Encode(h), c.w.Flush()); err != nil {
		c.file.Close()
		return err
	}
	return c.finish()
}

// finish makes it durable and gives it its name.
func (c *checkpointWriter) finish() error {
	defer c.file.Close()
	if _, err := c.file.Write(binary.BigEndian.AppendUint32(nil, c.sum.Sum32())); err != nil {
		return err
	}
	if err := c.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(c.file.Name(), c.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(c.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// append encodes what is known of a device: when it last reported, how many
// series it has, and of each the key, the latest time and what the others are
// before it.
func (s *seen) append(b []byte, d *heard) []byte {
	b = binary.AppendUvarint(b, uint64(d.Last))
	n := uint64(0)
	for range s.of(d) {
		n++
	}
	b = binary.AppendUvarint(b, n)
	for e := range s.of(d) {
		b = binary.AppendUvarint(b, uint64(e.Key.Channel)<<32|uint64(e.Key.Name))
		times := e.times()
		b = binary.AppendVarint(b, times[0])
		for k := 1; k < len(times); k++ {
			b = binary.AppendUvarint(b, uint64(times[k-1]-times[k]))
		}
	}
	return b
}

// blockWriter writes a state of unknown length: blocks, each after its length.
type blockWriter struct{ w *bufio.Writer }

func (b *blockWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b.w.Write(binary.AppendUvarint(nil, uint64(len(p))))
	return b.w.Write(p)
}

// blockReader reads what blockWriter wrote, to the 0 after it.
type blockReader struct {
	r    *bufio.Reader
	left uint64
	end  bool
}

func (b *blockReader) Read(p []byte) (int, error) {
	if b.left == 0 && !b.end {
		n, err := binary.ReadUvarint(b.r)
		if err != nil {
			return 0, err
		}
		b.left, b.end = n, n == 0
	}
	if b.end {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(uint64(len(p)), b.left)])
	b.left -= uint64(n)
	return n, err
}

// readCheckpoint reads the checkpoint into s and the observers, and returns
// its header, an empty one where there is no checkpoint yet.
func readCheckpoint(dir string, s *seen, observers []ingest.Saver) (*checkpointHeader, error) {
	h := &checkpointHeader{Tally: newTally()}
	f, err := os.Open(checkpointPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := h.read(f, s, observers); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w; move it away to rebuild from the journal", f.Name(), err)
	}
	return h, nil
}

// readAccount reads the account, nil where there is none.
func readAccount(dir string) (*accountHeader, error) {
	f, err := os.Open(accountPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := &accountHeader{Tally: newTally()}
	r, err := checked(f, accountMagic)
	if err == nil {
		err = gob.NewDecoder(r).Decode(h)
	}
	if err != nil {
		return nil, fmt.Errorf("account %s: %w; move it away to count from the checkpoint", f.Name(), err)
	}
	return h, nil
}

// checked reads what a checkpointWriter wrote, once its checksum is found right.
func checked(f *os.File, magic string) (*bufio.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < int64(len(magic))+4 {
		return nil, errors.New("cut short")
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.LimitReader(f, info.Size()-4)); err != nil {
		return nil, err
	}
	var want [4]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
		return nil, errors.New("damaged: the checksum is wrong")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(io.LimitReader(f, info.Size()-4), 256<<10)
	have := make([]byte, len(magic))
	if _, err := io.ReadFull(r, have); err != nil || string(have) != magic {
		return nil, errors.New("of another version of this program")
	}
	return r, nil
}

func (h *checkpointHeader) read(f *os.File, s *seen, observers []ingest.Saver) error {
	r, err := checked(f, checkpointMagic)
	if err != nil {
		return err
	}
	if err := gob.NewDecoder(r).Decode(h); err != nil {
		return err
	}
	s.names.restore(h.Names, h.Brought)
	for range h.Devices {
		if err := s.read(r, h.WideKeys); err != nil {
			return err
		}
	}
	for _, name := range h.States {
		b := &blockReader{r: r}
		for _, o := range observers {
			if o.Name() != name {
				continue
			}
			if err := o.Load(b); err != nil {
				return fmt.Errorf("state of %s: %w", name, err)
			}
		}
		if _, err := io.Copy(io.Discard, b); err != nil {
			return err
		}
	}
	return nil
}

// read reads what append wrote, as the next device.
func (s *seen) read(r *bufio.Reader, wide bool) (err error) {
	number := func() uint64 {
		n, e := binary.ReadUvarint(r)
		err = errors.Join(err, e)
		return n
	}
	d := s.devices.At(s.devices.Add())
	d.Last = uint32(number())
	next := &d.First
	n := number()
	for i := uint64(0); i < n && err == nil; i++ {
		key := number()
		e := series{Key: seriesKey{uint32(key >> 32), uint32(key)}}
		if !wide {
			e.Key = seriesKey{uint32(key >> 16), uint32(key & 0xffff)}
		}
		latest, fail := binary.ReadVarint(r)
		err = errors.Join(err, fail)
		e.Latest = stampOf(latest)
		t := latest
		for k := range e.Before {
			if t -= int64(number()); t != 0 && latest-t <= math.MaxUint32 {
				e.Before[k] = uint32(latest - t)
			}
		}
		*next = s.add(e)
		next = &s.series.At(*next).Next
	}
	return err
}

// deviceFile is the devices by index, a line of JSON each. Lines beyond what
// the checkpoint counts are of devices the journal introduces again.
type deviceFile struct {
	file  *os.File
	count int
	size  int64
}

func openDevices(dir string) (*deviceFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, "devices.ndjson"), os.O_CREATE|os.O_RDWR, 0o600)
	return &deviceFile{file: f}, err
}

// restore calls fn with each device of the checkpoint, and cuts off the rest.
func (d *deviceFile) restore(h *checkpointHeader, fn func(ingest.Device)) error {
	if err := d.file.Truncate(h.DeviceBytes); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(d.file, 0, h.DeviceBytes), 256<<10)
	parser := deviceParser{names: map[string]string{}, origins: ingest.Origins{}}
	for i := range h.Devices {
		line, err := lines.ReadBytes('\n')
		var device ingest.Device
		if err == nil {
			err = parser.parse(line, &device)
		}
		if err != nil {
			return fmt.Errorf("%s: device %d of %d: %w; move it and the checkpoint away to rebuild from the journal", d.file.Name(), i+1, h.Devices, err)
		}
		fn(device)
	}
	d.count, d.size = h.Devices, h.DeviceBytes
	return nil
}

// deviceParser reads what json.Marshal wrote of a device, in a quarter of
// encoding/json's time: there may be a million. What many share is kept once.
type deviceParser struct {
	fastjson.Parser
	names   map[string]string
	origins ingest.Origins
}

func (p *deviceParser) parse(line []byte, d *ingest.Device) error {
	v, err := p.ParseBytes(line)
	if err != nil {
		return err
	}
	shared := func(key string) string {
		text := v.GetStringBytes(key)
		name, ok := p.names[string(text)]
		if !ok {
			name = string(text)
			p.names[name] = name
		}
		return name
	}
	*d = ingest.Device{
		ID: ingest.DeviceID(v.GetStringBytes("ID")),
		Origin: p.origins.Of(ingest.Origin{
			Vendor: ingest.VendorID(shared("Vendor")), Community: ingest.CommunityID(shared("Community")),
			Compound: ingest.CompoundID(shared("Compound")), Facility: ingest.FacilityKind(shared("Facility")), Profile: shared("Profile"),
		}),
		Listing: ingest.Unlisted,
	}
	if v.GetBool("Listed") {
		l := &ingest.Listing{
			Listed: true, Name: string(v.GetStringBytes("Name")), Stream: shared("Stream"), Gateway: shared("Gateway"), Boundary: shared("Boundary"),
			RegisterBits: uint8(v.GetUint("RegisterBits")), Depth: v.GetFloat64("Depth"), Offset: v.GetFloat64("Offset"),
		}
		if attributes := v.GetObject("Attributes"); attributes != nil {
			l.Attributes = make(map[string]string, attributes.Len())
			attributes.Visit(func(key []byte, value *fastjson.Value) { l.Attributes[string(key)] = string(value.GetStringBytes()) })
		}
		d.Listing = l
	}
	if d.ID == "" {
		return errors.New("it has no ID")
	}
	return nil
}

// extend adds the devices up to count, and makes them durable.
func (d *deviceFile) extend(count int, at func(uint32) *ingest.Device) error {
	if count == d.count {
		return nil
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(d.file, d.size), 64<<10)
	size := d.size
	for i := d.count; i < count; i++ {
		line, err := json.Marshal(at(uint32(i)))
		if err != nil {
			return err
		}
		w.Write(line)
		w.WriteByte('\n')
		size += int64(len(line)) + 1
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.count, d.size = count, size
	return nil
}
