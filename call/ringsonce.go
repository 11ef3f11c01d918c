package call

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"sync"
)

// One device rings once, however many of its processes hear a push. Each has
// the journal's file "owners" open, in which nothing is ever written: of each
// call that it has, from the live check until it is forgotten, it holds the lock
// of one byte there, whose place is made of the device and the call's id.
//
//	VerifyCall, VerifyBackgroundCall   alone: refused while another process has it
//	AdoptBackgroundCall                beside its owner, which lets go when it has granted the call
//
// The kernel frees these locks with the process. So a repeated push of a call
// whose process was killed finds it free, and rings in another process of the
// device. Nothing is waited for, and no disk is touched.
//
// The survivor of a glare is verified all the same by the process whose call
// made way for it: that one accepts it at once.
type owners struct {
	mu sync.Mutex
	f  *os.File // nil: closed
}

// byteLock is the lock of one byte.
type byteLock int

const (
	byteFree   byteLock = iota
	byteShared          // others may have it, too
	byteAlone
)

// place is where a call's byte is.
func place(device Address, call string) int64 {
	sum := sha256.Sum256([]byte(device.Service + "/" + device.User + "/" + device.Device + "/" + call))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 2)
}

// take takes a call for this process; alone: only if no other one has it. A
// system that can not tell is no hindrance.
func (o *owners) take(at int64, alone bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f == nil {
		return true
	}
	if alone && isTaken(lockByte(o.f, at, byteAlone)) {
		return false
	}
	_ = lockByte(o.f, at, byteShared) // of an own lock in one step: nobody comes between
	return true
}

func (o *owners) free(at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f != nil {
		_ = lockByte(o.f, at, byteFree) // what can not be freed is so with the file
	}
}

// taken reports whether another process has a call; ok: the system can tell.
func (o *owners) taken(at int64) (taken, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f == nil {
		return false, false
	}
	taken, err := byteTaken(o.f, at)
	return taken, err == nil
}

func (o *owners) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.f
	o.f = nil
	return f.Close()
}

// --- k.mu is held from here on ---

// own takes a call for this process, where no other one of this device has it;
// or, if granted, beside that one.
func (k *Kit) own(id string, granted bool) bool {
	if k.journal == nil || k.journal.owners.take(place(k.cfg.Self, id), !granted) {
		return true
	}
	k.isElsewhere(id)
	return false
}

// disown lets go of a call.
func (k *Kit) disown(id string) {
	if k.journal != nil {
		k.journal.owners.free(place(k.cfg.Self, id))
	}
}

// elsewhere reports whether another process of this device has a call.
func (k *Kit) elsewhere(id string) bool {
	if k.journal == nil {
		return false
	}
	taken, _ := k.journal.owners.taken(place(k.cfg.Self, id))
	if taken {
		k.isElsewhere(id)
	}
	return taken
}

func (k *Kit) isElsewhere(id string) {
	k.counters["elsewhere"]++
	remember(k.others, id, 2*DefaultRingTime)
}

// backFrom reports whether a call that was handed over is nobody's any more: its
// adopter was killed, or has stopped. Its push rings here again then.
func (k *Kit) backFrom(c *Call) bool {
	if !c.handedOver() || k.journal == nil {
		return false
	}
	if taken, ok := k.journal.owners.taken(place(k.cfg.Self, c.id)); taken || !ok {
		return false
	}
	k.forget(c)
	delete(k.used, c.id)
	delete(k.known, c.id)
	return true
}

// left is what the journal says of a call that another process of this device
// had, or one before this. Only of such a call the disk is asked.
func (k *Kit) left(id string) (entry, error) {
	k.mu.Lock()
	_, had := k.others[id]
	j := k.journal
	k.mu.Unlock()
	if !had || j == nil {
		return entry{}, nil
	}
	e := j.word(id, k.cfg.Self)
	if e.Declined {
		return e, startError(StartReuse, "this device has declined the call")
	}
	if e.State == entryEnded { // the process was stopped, and said so
		e.Nonces = nil
	}
	return e, nil
}
