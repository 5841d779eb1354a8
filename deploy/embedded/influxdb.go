package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	fluxlang "github.com/influxdata/flux"
	"github.com/influxdata/influxdb/cmd/influxd/run"
	"github.com/influxdata/influxdb/flux/control"
	"github.com/influxdata/influxdb/models"
	"github.com/influxdata/influxdb/services/httpd"
	"github.com/influxdata/influxdb/services/meta"
	"github.com/influxdata/influxdb/services/storage"
	"github.com/influxdata/influxdb/storage/reads"
	"github.com/influxdata/influxdb/toml"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// InfluxConfig configures StartInfluxDB.
type InfluxConfig struct {
	// Addr is host:port of the HTTP interface; port 0 takes a free one.
	Addr string
	// Dir keeps the data. A second start on it finds what the first one wrote.
	Dir string
	// Database is created if it is not there; "" creates none. Clients of the
	// 2.x interface call it bucket "name" or "name/autogen".
	Database string
	// Retention says how long points are kept; 0 is for ever.
	Retention time.Duration
	// Username and Password, where set, are the only ones who may read, write or
	// do anything else; a client of the 2.x interface gives Username:Password as
	// its token. Without them everybody may who reaches Addr.
	Username, Password string
	// Logger gets warnings and errors. Default: nobody.
	Logger *slog.Logger
}

// InfluxDB is a running InfluxDB 1.8.
//
// Its HTTP interface refuses what a browser sends for another page (a request
// with an Origin), where InfluxDB's own answers every origin as if it were
// trusted: a page that is open on this machine must not read or drop a database.
type InfluxDB struct {
	server  *run.Server
	handler *httpd.Handler
	http    *http.Server
	addr    string
	ended   chan struct{} // closed when http has ended
}

// StartInfluxDB starts InfluxDB and returns once it answers. A write that it
// has answered with 204 survives a power cut: its log is fsynced each time.
func StartInfluxDB(c InfluxConfig) (*InfluxDB, error) {
	if c.Dir == "" {
		return nil, errors.New("embedded InfluxDB: no directory given")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := listen("InfluxDB", "--influxdb", c.Addr)
	if err != nil {
		return nil, err
	}
	db, err := c.open(listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return db, nil
}

func (c InfluxConfig) open(listener net.Listener) (*InfluxDB, error) {
	if err := os.MkdirAll(c.Dir, 0o750); err != nil {
		return nil, err
	}
	config := influxConfig(c.Dir)
	server, err := run.NewServer(config, &run.BuildInfo{Version: version, Branch: "embedded"})
	if err != nil {
		return nil, fmt.Errorf("embedded InfluxDB: %w", err)
	}
	server.Logger = zap.New(zapToSlog{c.Logger})
	if err := server.Open(); err != nil {
		err = fmt.Errorf("embedded InfluxDB: %w", err)
		return nil, errors.Join(err, server.Close())
	}
	db := &InfluxDB{server: server, addr: listener.Addr().String(), ended: make(chan struct{})}
	if err := db.prepare(c); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	config.HTTPD.AuthEnabled = c.Username != ""
	db.handler = newHandler(server, config.HTTPD)
	db.handler.Open()
	db.http = &http.Server{Handler: sameOrigin(db.handler), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn)}
	go func() { // ends with Close
		defer close(db.ended)
		if err := db.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.Logger.Error("InfluxDB's HTTP interface has ended", "error", err)
		}
	}()
	return db, nil
}

// prepare makes the database and the user who may use it.
func (db *InfluxDB) prepare(c InfluxConfig) error {
	if c.Database != "" {
		if err := db.ensure(c.Database, c.Retention); err != nil {
			return fmt.Errorf("embedded InfluxDB: database %s: %w", c.Database, err)
		}
	}
	if c.Username == "" {
		return nil
	}
	users := db.server.MetaClient
	if user, err := users.User(c.Username); err == nil && user != nil {
		if err := users.UpdateUser(c.Username, c.Password); err != nil {
			return fmt.Errorf("embedded InfluxDB: user %s: %w", c.Username, err)
		}
		return nil
	}
	if _, err := users.CreateUser(c.Username, c.Password, true); err != nil {
		return fmt.Errorf("embedded InfluxDB: user %s: %w", c.Username, err)
	}
	return nil
}

// newHandler is InfluxDB's HTTP interface, put together as its server does it,
// but served by us: its own listener lets every origin in.
func newHandler(server *run.Server, c httpd.Config) *httpd.Handler {
	h := httpd.NewHandler(c)
	authorizer := meta.NewQueryAuthorizer(server.MetaClient)
	store := storage.NewStore(server.TSDBStore, server.MetaClient)
	h.MetaClient, h.QueryAuthorizer, h.WriteAuthorizer = server.MetaClient, authorizer, meta.NewWriteAuthorizer(server.MetaClient)
	h.QueryExecutor, h.Monitor, h.PointsWriter, h.Store = server.QueryExecutor, server.Monitor, server.PointsWriter, store
	h.Version, h.BuildType, h.Logger = version, "OSS", server.Logger
	h.Controller = &flux{start: sync.OnceValue(func() *control.Controller {
		return control.NewController(server.MetaClient, reads.NewReader(store), authorizer, c.AuthEnabled, server.Logger)
	})}
	return h
}

// flux starts Flux at the first query in it: its library of functions is type-checked
// at its start, which takes more processor time (2.5 s) than everything else that a
// standalone does until it is ready, and our boards and pages ask in InfluxQL.
type flux struct{ start func() *control.Controller }

func (f *flux) Query(ctx context.Context, compiler fluxlang.Compiler) (fluxlang.Query, error) {
	return f.start().Query(ctx, compiler)
}

// PrometheusCollectors returns none, as InfluxDB's own does.
func (*flux) PrometheusCollectors() []prometheus.Collector { return nil }

// sameOrigin refuses what a page of another site has a browser send, and
// InfluxDB's pages on its own insides, which ask for no password.
func sameOrigin(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case r.Header.Get("Origin") != "" || site != "" && site != "same-origin" && site != "none":
			http.Error(w, "not for pages of a browser", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/debug/"):
			http.NotFound(w, r)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

const version = "1.8.10"

// influxConfig is InfluxDB's configuration where it differs from its defaults.
func influxConfig(dir string) *run.Config {
	c := run.NewConfig()
	c.ReportingDisabled = true
	c.Monitor.StoreEnabled = false
	c.BindAddress = "127.0.0.1:0" // backup and restore: nobody asks, and 8088 may be taken
	c.ContinuousQuery.Enabled = false
	c.Subscriber.Enabled = false
	c.GraphiteInputs, c.CollectdInputs, c.OpenTSDBInputs, c.UDPInputs = nil, nil, nil, nil

	c.HTTPD.Enabled = false // newHandler
	c.HTTPD.FluxEnabled = true
	c.HTTPD.LogEnabled = false
	c.HTTPD.PprofEnabled = false

	c.Meta.Dir = filepath.Join(dir, "meta")
	c.Data.Dir = filepath.Join(dir, "data")
	c.Data.WALDir = filepath.Join(dir, "wal")
	c.Data.QueryLogEnabled = false
	// The in-memory index costs about 1 KiB a series for as long as the process
	// lives; tsi1 keeps it on disk and is limited neither in series nor in tag
	// values, which a county's devices would exceed.
	c.Data.Index = "tsi1"
	c.Data.MaxSeriesPerDatabase = 0
	c.Data.MaxValuesPerTag = 0
	// A backfill writes to many weekly shards at once and each holds its cache:
	// smaller ones, written out sooner, keep memory flat. A shard that rejects
	// writes at its limit answers 500, which writers retry.
	c.Data.CacheSnapshotMemorySize = toml.Size(8 << 20)
	c.Data.CacheMaxMemorySize = toml.Size(256 << 20)
	c.Data.CacheSnapshotWriteColdDuration = toml.Duration(time.Minute)
	return c
}

// shard is what one shard has where points are kept long. A question about a year opens
// every series in each shard: with InfluxDB's own week that is most of its time.
const shard = 28 * 24 * time.Hour

// ensure creates a database or brings its retention up to date.
func (db *InfluxDB) ensure(name string, retention time.Duration) error {
	info := db.server.MetaClient.Database(name)
	if info == nil {
		replicas := 1
		policy := &meta.RetentionPolicySpec{Name: "autogen", Duration: &retention, ReplicaN: &replicas}
		if retention == 0 || retention >= 6*shard {
			policy.ShardGroupDuration = shard
		}
		_, err := db.server.MetaClient.CreateDatabaseWithRetentionPolicy(name, policy)
		return err
	}
	if policy := info.RetentionPolicy("autogen"); policy != nil && policy.Duration != retention {
		return db.server.MetaClient.UpdateRetentionPolicy(name, "autogen", &meta.RetentionPolicyUpdate{Duration: &retention}, true)
	}
	return nil
}

// URL is the address of the HTTP interface: http://127.0.0.1:8086.
func (db *InfluxDB) URL() string { return "http://" + db.addr }

// Addr is host:port of the HTTP interface.
func (db *InfluxDB) Addr() string { return db.addr }

// Close ends running requests and closes the files. The directory can be opened
// again afterwards.
//
// BUG(embedded): the listener for backup and restore, on a free port of
// loopback, is closed only when the process ends. InfluxDB reports its closing
// as a failure, and writes that to the standard error whatever logger it has;
// somebody who has ended everything in order must not read of one.
func (db *InfluxDB) Close() error {
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := db.http.Shutdown(grace)
	if err != nil {
		err = db.http.Close() // somebody reads slowly
	}
	<-db.ended
	db.handler.Close()
	db.server.Listener = nil
	return errors.Join(err, db.server.Close())
}

// Query runs InfluxQL statements through the HTTP interface, as any client
// would, and returns the series of all of them in order. Times are unix
// nanoseconds; numbers are json.Number, so that none loses a digit.
func (db *InfluxDB) Query(ctx context.Context, database, influxql string) ([]models.Row, error) {
	return Query(ctx, db.URL(), database, influxql)
}

// Query runs InfluxQL statements against any InfluxDB 1.x at base, or against
// the 1.x interface of a later one. A user and password stand in base.
func Query(ctx context.Context, base, database, influxql string) ([]models.Row, error) {
	form := url.Values{"db": {database}, "q": {influxql}, "epoch": {"ns"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/query?"+form.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error   string
		Results []struct {
			Error  string
			Series []models.Row
		}
	}
	d := json.NewDecoder(response.Body)
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		rest, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("query answered %s: %w %.200s", response.Status, err, rest)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("query: %s", answer.Error)
	}
	var rows []models.Row
	for _, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("query: %s", r.Error)
		}
		rows = append(rows, r.Series...)
	}
	return rows, nil
}

// zapToSlog passes InfluxDB's warnings and errors on to slog.
type zapToSlog struct{ to *slog.Logger }

func (zapToSlog) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

func (z zapToSlog) With(fields []zapcore.Field) zapcore.Core {
	return zapToSlog{z.to.With(attributes(fields)...)}
}

func (z zapToSlog) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return checked.AddCore(e, z)
	}
	return checked
}

func (z zapToSlog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	z.to.Log(context.Background(), level, e.Message, attributes(fields)...)
	return nil
}

func (zapToSlog) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	var attrs []any
	for k, v := range m.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	return attrs
}
