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
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
)

// A checkpoint is all that is not in the journal, as of one message of it:
//
//	magic, then blocks: header (gob), series, states of observers, 0, CRC-32C
//
// It is written as a stream to a new file, which takes the old one's name once
// it is durable, so that there is always one whole checkpoint and none of it is
// held twice in memory. The one before keeps the name with ".1": a start takes
// it by itself where the newest is damaged, and the journal keeps what it needs.
// The devices, which only ever are added to, are lines of a file of their own,
// of which the header says how much counts; it has a copy.
type checkpointHeader struct {
	Seq         uint64 // the last message walked
	Now         int64  // the observers' clock
	Tally       tally
	Pending     pendingSet
	Stamps      stamps   // times of pending messages that the walker chose
	Names       []string // of channels and quantities, by number
	Brought     map[ingest.VendorID]broughtIn
	WideKeys    bool // a series' key has 32 bits for each name; 16 before
	Told        bool // of a device also: since when it is heard, and how many messages; since version 4
	Devices     int  // lines of the devices file
	DeviceBytes int64
	DeviceSum   uint32                   // CRC-32C of these lines; since version 3
	Program     string                   // the version of the program that wrote it; since version 3
	Removed     []uint32                 // devices that were let go, by index
	Moved       map[uint32]ingest.Origin // where devices are that have moved, by index
	Derived     [][]byte                 // points of observers that InfluxDB has not confirmed
	Decoders    []byte                   // what decoders remember
	Settled     uint64                   // the last message of which the broker is known to have our acknowledgement
	InFlight    []InFlight               // of unsettled messages
	Renumbers   bool                     // whether the broker gives identifiers anew
	States      []string                 // names of the observers whose states follow
	Division    Division                 // whose share of the communities it is; zero: not known
	Taken       []string                 // the ids of what other instances handed over and is in here
}

// A state file begins with its kind and version. A version more is due whenever
// a program before would misread what this one writes, the observers' states
// included: it then refuses the file in words.
const (
	checkpointKind, checkpointVersion, checkpointOldest = "greencommunity checkpoint ", 4, 2
	accountKind, accountVersion, accountOldest          = "greencommunity account ", 1, 1
)

// accountHeader is the account of a later message than the checkpoint's. A
// checkpoint of a million devices takes seconds and is written once a minute;
// what /metrics shows is durable, and so in this file, every second.
type accountHeader struct {
	Seq       uint64
	Tally     tally
	Pending   pendingSet
	Settled   uint64     // as in the checkpoint
	InFlight  []InFlight // of unsettled messages
	Renumbers bool       // as in the checkpoint
}

// after reports whether the account was taken after the checkpoint.
func (a *accountHeader) after(h *checkpointHeader) bool {
	if a.Seq != h.Seq {
		return a.Seq > h.Seq
	}
	return a.Tally.decided() > h.Tally.decided() || a.Tally.Points > h.Tally.Points
}

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
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	c := &checkpointWriter{path: path, file: f, sum: crc32.New(castagnoli)}
	c.w = bufio.NewWriterSize(io.MultiWriter(f, c.sum), 64<<10)
	return c, nil
}

// abandon removes what was written: on a full disk, others need the space.
func (c *checkpointWriter) abandon() {
	c.file.Close()
	os.Remove(c.file.Name())
}

// write writes all of it. An error of the file itself shows in finish.
func (c *checkpointWriter) write(h *checkpointHeader, s *seen, observers []ingest.Saver) error {
	for _, o := range observers {
		h.States = append(h.States, o.Name())
	}
	fmt.Fprintf(c.w, "%s%d\n", checkpointKind, checkpointVersion)
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
	fmt.Fprintf(c.w, "%s%d\n", accountKind, accountVersion)
	if err := errors.Join(gob.NewEncoder(c.w).Encode(h), c.w.Flush()); err != nil {
		c.abandon()
		return err
	}
	return c.finish()
}

// finish makes it durable and gives it its name; the file that had it is the
// previous one then. Killed between the two, there is only a previous one.
func (c *checkpointWriter) finish() (err error) {
	defer func() {
		if err != nil {
			c.abandon()
		} else {
			c.file.Close()
		}
	}()
	if _, err := c.file.Write(binary.BigEndian.AppendUint32(nil, c.sum.Sum32())); err != nil {
		return err
	}
	if err := c.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(c.path, previous(c.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(c.file.Name(), c.path); err != nil {
		return err
	}
	return durable.Dir(filepath.Dir(c.path))
}

// previous returns where the state before the newest is.
func previous(path string) string { return path + ".1" }

// append encodes what is known of a device: when it last reported and first, how
// many messages of it were accepted, how many series it has, and of each the key, the latest time and what the others are
// before it.
func (s *seen) append(b []byte, d *heard) []byte {
	b = binary.AppendUvarint(b, uint64(d.Last))
	b = binary.AppendUvarint(b, uint64(d.Since))
	b = binary.AppendUvarint(b, uint64(d.Messages))
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

// newestGood calls read with the newest state of a path that is whole, and its
// version, and returns where that was: "" where there is none. A damaged newest
// one is set aside, so that it does not become the previous one. A state of
// another version is an error: it is whole, and another program can read it.
func newestGood(path string, oldest, newest int, kind string, log *slog.Logger, read func(r *bufio.Reader, version int) error) (string, error) {
	var damage []error
	for _, from := range []string{path, previous(path)} {
		f, err := os.Open(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			var r *bufio.Reader
			var version int
			if r, version, err = checked(f, kind, oldest, newest); err == nil {
				if err = read(r, version); err != nil {
					err = fmt.Errorf("%w: %w", errOther, err)
				}
			}
			f.Close()
		}
		if errors.Is(err, errOther) {
			return "", fmt.Errorf("%s: %w", from, err)
		}
		if err != nil {
			damage = append(damage, fmt.Errorf("%s: %w", from, err))
			continue
		}
		switch {
		case len(damage) > 0:
			aside := path + ".damaged"
			if err := os.Rename(path, aside); err != nil {
				return "", err
			}
			log.Error("a state is damaged; the one before it is taken, and the journal brings back what came since", "kept", aside, "taken", from, "error", damage[0])
		case from != path:
			log.Warn("a state is missing; the one before it is taken, and the journal brings back what came since", "missing", path, "taken", from)
		}
		return from, nil
	}
	return "", errors.Join(damage...)
}

// errOther says why a state that is whole is not read.
var errOther = errors.New("it is of another version of this program")

// readCheckpoint reads the newest good checkpoint into s and the observers, and
// returns its header, an empty one where there is no checkpoint yet.
func readCheckpoint(dir string, s *seen, observers []ingest.Saver, log *slog.Logger) (h *checkpointHeader, from string, err error) {
	h = &checkpointHeader{Tally: newTally()}
	from, err = newestGood(checkpointPath(dir), checkpointOldest, checkpointVersion, checkpointKind, log, func(r *bufio.Reader, version int) error {
		err := h.read(r, s, observers)
		if err != nil && h.Program != "" {
			return fmt.Errorf("written by %s, read by %s: %w", h.Program, program(), err)
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("checkpoint %w; move checkpoint and checkpoint.1 away to rebuild from the journal", err)
	}
	return h, from, nil
}

// program is this program's version.
func program() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "a build without a version"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") {
			version = s.Value
		}
	}
	return "greencommunity " + version
}

// readAccount reads the newest good account, nil where there is none. Without,
// the checkpoint's account holds, and what came since is counted again.
func readAccount(dir string, log *slog.Logger) (h *accountHeader, damaged bool, err error) {
	from, err := newestGood(accountPath(dir), accountOldest, accountVersion, accountKind, log, func(r *bufio.Reader, _ int) error {
		h = &accountHeader{Tally: newTally()}
		return gob.NewDecoder(r).Decode(h)
	})
	switch {
	case errors.Is(err, errOther):
		return nil, false, fmt.Errorf("account %w; move account and account.1 away to count from the checkpoint", err)
	case err != nil:
		log.Error("the account is damaged, and so is the one before it; it is counted from the checkpoint", "error", err)
		return nil, true, nil
	}
	return h, from == previous(accountPath(dir)), nil
}

// checked reads what a checkpointWriter wrote, once its checksum is found right.
func checked(f *os.File, kind string, oldest, newest int) (r *bufio.Reader, version int, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Size() < int64(len(kind))+4 {
		return nil, 0, errors.New("cut short")
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.LimitReader(f, info.Size()-4)); err != nil {
		return nil, 0, err
	}
	var want [4]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return nil, 0, err
	}
	if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
		return nil, 0, errors.New("damaged: the checksum is wrong")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	r = bufio.NewReaderSize(io.LimitReader(f, info.Size()-4), 256<<10)
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, kind) {
		return nil, 0, fmt.Errorf("%w: it does not begin with %q", errOther, kind)
	}
	version, err = strconv.Atoi(strings.TrimSpace(line[len(kind):]))
	if err != nil || version < oldest || version > newest {
		return nil, 0, fmt.Errorf("%w: the file has version %s, and %s reads versions %d to %d; run the program that wrote it",
			errOther, strings.TrimSpace(line[len(kind):]), program(), oldest, newest)
	}
	return r, version, nil
}

func (h *checkpointHeader) read(r *bufio.Reader, s *seen, observers []ingest.Saver) error {
	if err := gob.NewDecoder(r).Decode(h); err != nil {
		return err
	}
	s.names.restore(h.Names, h.Brought)
	for range h.Devices {
		if err := s.read(r, h.WideKeys, h.Told); err != nil {
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
func (s *seen) read(r *bufio.Reader, wide, told bool) (err error) {
	number := func() uint64 {
		n, e := binary.ReadUvarint(r)
		err = errors.Join(err, e)
		return n
	}
	d := s.devices.At(s.devices.Add())
	d.Last = uint32(number())
	if told {
		d.Since, d.Messages = uint32(number()), uint32(number())
	}
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

// deviceFile is the devices by index, a line of JSON each, and a copy. Lines
// beyond what the checkpoint counts are of devices the journal introduces again.
type deviceFile struct {
	files [2]*os.File // the second is the copy
	count int
	size  int64
	sum   uint32 // CRC-32C of size bytes
}

func openDevices(dir string) (*deviceFile, error) {
	d := &deviceFile{}
	for i, name := range []string{"devices.ndjson", "devices.ndjson.1"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.files[i] = f
	}
	return d, nil
}

func (d *deviceFile) close() (err error) {
	for _, f := range d.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// restore calls fn with each device of the checkpoint, and cuts off the rest.
// It mends the file by its copy, or the copy by the file, and reports whether
// the file was damaged.
func (d *deviceFile) restore(h *checkpointHeader, fn func(ingest.Device), log *slog.Logger) (damaged bool, err error) {
	var good [2]bool
	var sums [2]uint32
	for i, f := range d.files {
		sum := crc32.New(castagnoli)
		n, err := io.Copy(sum, io.NewSectionReader(f, 0, h.DeviceBytes))
		sums[i] = sum.Sum32()
		good[i] = err == nil && n == h.DeviceBytes && (sums[i] == h.DeviceSum || h.DeviceSum == 0 && i == 0)
		// A checkpoint of version 2 says no sum, and has no copy.
	}
	switch {
	case !good[0] && !good[1]:
		return true, fmt.Errorf("%s is damaged, and so is its copy: they are not as the checkpoint says; move both and the checkpoints away to rebuild from the journal", d.files[0].Name())
	case !good[0]:
		log.Error("the list of devices is damaged; it is mended by its copy", "file", d.files[0].Name())
		damaged = true
		err = mend(d.files[0], d.files[1], h.DeviceBytes)
		sums[0] = sums[1]
	case !good[1]:
		err = mend(d.files[1], d.files[0], h.DeviceBytes)
	}
	if err != nil {
		return damaged, err
	}
	for _, f := range d.files {
		if err := f.Truncate(h.DeviceBytes); err != nil {
			return damaged, err
		}
	}
	if err := parseDevices(d.files[0], h, fn); err != nil {
		return damaged, err
	}
	d.count, d.size, d.sum = h.Devices, h.DeviceBytes, sums[0]
	return damaged, nil
}

// parseDevices calls fn with each device of the checkpoint.
func parseDevices(f *os.File, h *checkpointHeader, fn func(ingest.Device)) error {
	lines := bufio.NewReaderSize(io.NewSectionReader(f, 0, h.DeviceBytes), 256<<10)
	parser := deviceParser{names: map[string]string{}, origins: ingest.Origins{}}
	for i := range h.Devices {
		line, err := lines.ReadBytes('\n')
		var device ingest.Device
		if err == nil {
			err = parser.parse(line, &device)
		}
		if err != nil {
			return fmt.Errorf("%s: device %d of %d: %w; move it, its copy and the checkpoints away to rebuild from the journal", f.Name(), i+1, h.Devices, err)
		}
		fn(device)
	}
	return nil
}

// mend copies the first n bytes of a file to another, and makes them durable.
func mend(to, from *os.File, n int64) error {
	if _, err := io.Copy(io.NewOffsetWriter(to, 0), io.NewSectionReader(from, 0, n)); err != nil {
		return err
	}
	return to.Sync()
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
			Listed: true, Name: string(v.GetStringBytes("Name")), Stream: shared("Stream"), Gateway: shared("Gateway"), Boundary: shared("Boundary"), Parent: ingest.DeviceID(shared("Parent")),
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
	size, sum := d.size, checksum(d.sum)
	w := bufio.NewWriterSize(io.MultiWriter(io.NewOffsetWriter(d.files[0], d.size), io.NewOffsetWriter(d.files[1], d.size), &sum), 64<<10)
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
	for _, f := range d.files {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	d.count, d.size, d.sum = count, size, uint32(sum)
	return nil
}

// checksum is a CRC-32C that goes on from one before.
type checksum uint32

func (c *checksum) Write(p []byte) (int, error) {
	*c = checksum(crc32.Update(uint32(*c), castagnoli, p))
	return len(p), nil
}
