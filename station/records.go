package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"intercom/call"
	"intercom/config"
	"intercom/internal/durable"
)

const (
	maxRecords     = 8       // kept
	recordsVersion = 1       // of the file
	maxRecordsFile = 1 << 20 // bytes; a record has at most 64 stages, so it is far smaller
	recordsEvery   = 2 * time.Second
)

// records are the last calls, in memory and in a file that survives a restart
// and a power cut. The file is written by a goroutine of its own, since a
// memory card may take seconds, and at most each recordsEvery, since it wears
// out: a power cut loses the calls that ended within that time.
//
// A file that can not be read, is damaged or of a later version counts as
// empty, and is written over after the next call. One that can not be written
// leaves the records in memory. Either is logged once, and told by fault.
type records struct {
	path  string
	log   *slog.Logger
	write func(path string, data []byte, perm fs.FileMode) error // durable.Replace
	dirty chan struct{}                                          // holds one
	quit  chan struct{}
	done  chan struct{}

	mu   sync.Mutex
	list []call.Record // the latest last
	err  error         // of the file
}

// recordsFile is the file's content.
type recordsFile struct {
	Version int           `json:"version"`
	Records []call.Record `json:"records"`
}

func recordsPath(cfg *config.Config) string {
	return filepath.Join(cfg.Station.StateDir, "records.json")
}

func openRecords(path string, log *slog.Logger) *records {
	r := &records{
		path: path, log: log, write: durable.Replace,
		dirty: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	list, err := loadRecords(path)
	if err != nil {
		err = fmt.Errorf("station: last calls: %w; the list begins anew", err)
	}
	r.list = list
	r.report(err)
	go r.run()
	return r
}

func loadRecords(path string) ([]call.Record, error) {
	f, err := durable.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecordsFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxRecordsFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxRecordsFile)
	}
	var content recordsFile
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if content.Version != recordsVersion {
		return nil, fmt.Errorf("%s is of version %d, this program reads %d", path, content.Version, recordsVersion)
	}
	return content.Records[max(0, len(content.Records)-maxRecords):], nil
}

// add keeps a record, from any goroutine, and does not wait for the file.
func (r *records) add(rec call.Record) {
	r.mu.Lock()
	if len(r.list) == maxRecords {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, rec)
	r.mu.Unlock()
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// last are the records, the latest last.
func (r *records) last() []call.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call.Record{}, r.list...) // never nil, which JSON would call null
}

// fault is why the file is not in use; "": it is.
func (r *records) fault() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return ""
	}
	return r.err.Error()
}

// Close writes what is not yet written. A file that could not be was logged,
// and is no reason for a stop to fail.
func (r *records) Close() error {
	close(r.quit)
	<-r.done
	return nil
}

func (r *records) run() {
	defer close(r.done)
	for {
		select {
		case <-r.dirty:
			r.save()
		case <-r.quit:
			select {
			case <-r.dirty:
				r.save()
			default:
			}
			return
		}
		select {
		case <-time.After(recordsEvery):
		case <-r.quit:
		}
	}
}

func (r *records) save() {
	data, err := json.Marshal(recordsFile{recordsVersion, r.last()})
	if err == nil {
		err = r.write(r.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		err = fmt.Errorf("station: last calls: %w; they are kept in memory only, look whether state_dir is full or read-only", err)
	}
	r.report(err)
}

// report notes why the file is not in use, and says so once.
func (r *records) report(err error) {
	r.mu.Lock()
	was := r.err
	r.err = err
	r.mu.Unlock()
	switch {
	case err != nil && was == nil:
		r.log.Warn("last calls not on disk", "err", err)
	case err == nil && was != nil:
		r.log.Warn("last calls are on disk again")
	}
}
