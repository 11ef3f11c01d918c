package call

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Config is what a Kit is made of. Self, Transport, Sealer and Media must be set.
type Config struct {
	Self      Address // all four fields, each a ValidID; Session is new for each process
	Transport Transport
	Sealer    Sealer // has this device's key and access token
	Media     Media
	// Microphone reports why there is none that may be read, naming the
	// device; nil, or a nil result: there is one.
	Microphone func() error
	// OnPush gets the cc_param of each new incoming call, once; the Kit has
	// checked the envelope, not yet that the call stands. It may block for a
	// while: 16 more wait, further ones come again with their repeats. nil:
	// nobody is rung here.
	OnPush func(ccParam string)
	// OnRecord gets each call's record, from one goroutine, after
	// OnDisconnected.
	OnRecord func(Record)
	// Journal is a folder that background calls are kept in, so that another
	// process of this device can adopt them, also after this one was killed;
	// "": none. It is also where the processes of a device meet, so that one
	// of them rings: the others get no OnPush of that call while it lives. It
	// is made, for this user alone, if there is none. What goes wrong with it
	// is told by JournalErr, and the calls go on without it.
	Journal string
	// JournalIncoming keeps every verified call there while it rings, so that
	// a station that was killed finds it in PendingBackgroundCalls.
	JournalIncoming bool
	// NoCallWaiting: a second call gets a busy reply.
	NoCallWaiting bool
	// AcceptEndsOther: accepting a waiting call ends the present one; else it is held.
	AcceptEndsOther bool
	// Now is the monotonic clock, of the records' stages among others; nil:
	// the time since NewKit.
	Now func() time.Duration
	Log *slog.Logger // nil: none
}

// Kit makes, receives and owns the calls of one device. All methods may be
// called from any goroutine, also from handlers.
type Kit struct {
	cfg     Config
	log     *slog.Logger
	cancel  context.CancelFunc
	ctx     context.Context
	wg      sync.WaitGroup // what runs the application's functions
	events  sync.WaitGroup // of wg, the queues of the calls: they may still leave a record
	work    sync.WaitGroup // all other goroutines
	callID  func() string
	pushes  chan string
	records chan Record
	journal *journal // nil: none
	entries chan entryOp

	mu        sync.Mutex // guards all below, and each Call's fields marked so
	calls     map[string]*Call
	used      map[string]time.Time // call ids verified here: reuse
	known     map[string]time.Time // call ids given to OnPush
	told      map[string]time.Time // call ids that got our busy reply
	refused   map[string]*refusal  // of these, who may still be taken
	seen      seen
	survivor  survivor // of a glare
	counters  map[string]uint64
	runners   map[*runner]bool
	notifier  *runner // of notify; done when OnPush is called no more
	closed    bool
	adopting  map[string]bool      // calls on their way here from another process
	others    map[string]time.Time // call ids that the journal may tell of: another process of this device had them
	noJournal error                // why there is no journal, or none that others of this device can ask for
	badDisk   error                // why the last call was not kept
}

// NewKit checks cfg and starts listening. An error says what of cfg is wrong; a
// journal that can not be used is none (JournalErr). Close ends the Kit.
func NewKit(cfg Config) (*Kit, error) {
	for _, id := range []struct{ what, id string }{{"service", cfg.Self.Service}, {"user", cfg.Self.User}, {"device", cfg.Self.Device}, {"session", cfg.Self.Session}} {
		if !ValidID(id.id) {
			return nil, fmt.Errorf("call: new kit: %s id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", id.what, clip(id.id))
		}
	}
	if cfg.Transport == nil || cfg.Sealer == nil || cfg.Media == nil {
		return nil, errors.New("call: new kit: Transport, Sealer and Media must be set")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		t0 := time.Now()
		cfg.Now = func() time.Duration { return time.Since(t0) }
	}
	k := &Kit{
		cfg: cfg, log: cfg.Log, callID: newID,
		pushes: make(chan string, 16), records: make(chan Record, 64),
		calls: map[string]*Call{}, used: map[string]time.Time{}, known: map[string]time.Time{}, told: map[string]time.Time{}, others: map[string]time.Time{}, refused: map[string]*refusal{},
		counters: map[string]uint64{}, runners: map[*runner]bool{}, notifier: newRunner(), adopting: map[string]bool{},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.mu.Lock()
	k.handle(k.notifier, k.notify)
	k.mu.Unlock()
	k.openJournal()
	cfg.Transport.Listen(k.receive)
	return k, nil
}

// notify calls OnPush and OnRecord; after Close, OnRecord of the last calls.
func (k *Kit) notify() {
	for k.ctx.Err() == nil {
		select {
		case <-k.ctx.Done():
		case p := <-k.pushes:
			if k.cfg.OnPush != nil {
				k.cfg.OnPush(p)
			}
		case r := <-k.records:
			k.onRecord(r)
		}
	}
	k.notifier.finish()
	k.events.Wait()
	for {
		select {
		case r := <-k.records:
			k.onRecord(r)
		default:
			return
		}
	}
}

func (k *Kit) onRecord(r Record) {
	if k.cfg.OnRecord != nil {
		k.cfg.OnRecord(r)
	}
}

// Counters count since NewKit, by kind; what never happened is not there.
//
//	body, cc_param, unknown_type   messages that were malformed, or of a later version
//	own, stranger, invalid         of this process; of a device that has no part in the call; that Sealer.Open
//	                               refused (or under the Kind of its error)
//	repeated, ignored, late        had before; of no use in the call's state; of a call that is over, or of none
//	busy, made_way, glare          busy replies; calls that nobody confirmed and that made way; calls that met
//	elsewhere                      pushes and checks of a call that another process of this device has
//	push_queue_full                pushes that OnPush was too slow for
//	push_failed, seal              pushes that the Transport gave up; messages that Sealer.Seal refused
//	background_full                background calls that were too many
//	event_overflow, record_dropped what a handler, or OnRecord, was too slow for
//	journal, journal_full          what went wrong with the journal; entries that its disk was too slow for
//	bug                            caught panics, each with a call that ended with internalError
func (k *Kit) Counters() map[string]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.counters)
}

// record leaves a record for OnRecord. k.mu is held.
func (k *Kit) record(r Record) {
	select {
	case k.records <- r:
	default:
		k.counters["record_dropped"]++
	}
}

// newID is 128 random bits in hex.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
