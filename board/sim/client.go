package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// replyTimeout is how long a Client waits for a board, which answers at once.
const replyTimeout = 5 * time.Second

// Client plays the world around a board in another process, through its
// control socket. Its methods do what those of Board do, may be called from any
// goroutine, and also return the errors of the connection; after one of these
// the Client is useless.
type Client struct {
	path string

	mu    sync.Mutex // one request at a time
	conn  net.Conn
	lines *bufio.Reader
}

// Dial connects to the control socket of a simulated board.
func Dial(path string) (*Client, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, fmt.Errorf("sim: connect to the simulated board (is it running?): %w", err)
	}
	return newClient(conn, path), nil
}

func newClient(conn net.Conn, path string) *Client {
	return &Client{path: path, conn: conn, lines: bufio.NewReader(conn)}
}

// Close ends the connection; the board is not affected.
func (c *Client) Close() error {
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("sim: close client: %w", err)
	}
	return nil
}

// ask sends a request and waits for its reply.
func (c *Client) ask(r request) (reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := c.exchange(r)
	if err != nil {
		c.conn.Close() // a late reply would be taken for the next one
		return reply{}, fmt.Errorf("sim: ask simulated board to %s: %w", r.Op, err)
	}
	if !out.OK {
		return reply{}, errors.New(out.Error)
	}
	return out, nil
}

func (c *Client) exchange(r request) (out reply, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
		return out, err
	}
	if err := send(c.conn, r); err != nil {
		return out, err
	}
	line, err := readLine(c.lines)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(line, &out)
}

// readLine reads a line of at most maxRequest bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxRequest:
			return nil, bufio.ErrTooLong
		}
	}
}

// Press is Board.Press.
func (c *Client) Press(name string) (time.Duration, error) {
	out, err := c.ask(request{Op: "press", Name: name})
	return out.At, err
}

// Release is Board.Release.
func (c *Client) Release(name string) (time.Duration, error) {
	out, err := c.ask(request{Op: "release", Name: name})
	return out.At, err
}

// Tap is Board.Tap; d counts in whole ms.
func (c *Client) Tap(name string, d time.Duration) (time.Duration, error) {
	out, err := c.ask(request{Op: "tap", Name: name, MS: d.Milliseconds()})
	return out.At, err
}

// Lines is Board.Lines.
func (c *Client) Lines() ([]Line, error) {
	out, err := c.ask(request{Op: "lines"})
	return out.Lines, err
}

// History is Board.History.
func (c *Client) History() ([]Change, error) {
	out, err := c.ask(request{Op: "history"})
	return out.History, err
}

// MicSilence is Board.MicSilence.
func (c *Client) MicSilence() error {
	_, err := c.ask(request{Op: "mic", Source: sourceSilence})
	return err
}

// MicTone is Board.MicTone.
func (c *Client) MicTone(hz float64) error {
	_, err := c.ask(request{Op: "mic", Source: sourceTone, Hz: hz})
	return err
}

// MicPlay is Board.MicPlay.
func (c *Client) MicPlay(pcm []int16) (time.Duration, error) {
	out, err := c.ask(request{Op: "mic_play", PCM: octets(pcm)})
	return out.At, err
}

// Speaker is Board.Speaker; last counts in whole ms.
func (c *Client) Speaker(last time.Duration) (pcm []int16, at time.Duration, err error) {
	out, err := c.ask(request{Op: "speaker", MS: last.Milliseconds()})
	return samples(out.PCM), out.At, err
}

// SpeakerMark is Board.SpeakerMark.
func (c *Client) SpeakerMark(since time.Duration, threshold int) (m Mark, ok bool, err error) {
	out, err := c.ask(request{Op: "speaker_mark", Since: since, Threshold: threshold})
	return Mark{Entered: out.Entered, Left: out.Left}, out.Found, err
}

// Unplug is Board.Unplug.
func (c *Client) Unplug() error {
	_, err := c.ask(request{Op: "unplug"})
	return err
}

// Replug is Board.Replug.
func (c *Client) Replug() error {
	_, err := c.ask(request{Op: "replug"})
	return err
}

// Counters is Board.Counters.
func (c *Client) Counters() (Counters, error) {
	out, err := c.ask(request{Op: "counters"})
	if err != nil || out.Counters == nil {
		return Counters{}, err
	}
	return *out.Counters, nil
}

// Watch is Board.Watch, over a connection of its own. Events must be read or
// the Watch closed.
func (c *Client) Watch() (*Watch, error) {
	second, err := Dial(c.path)
	if err != nil {
		return nil, err
	}
	return second.watch()
}

// watch turns the client's connection into a watch.
func (c *Client) watch() (*Watch, error) {
	if _, err := c.ask(request{Op: "watch"}); err != nil {
		c.Close()
		return nil, err
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, fmt.Errorf("sim: watch simulated board: %w", err)
	}
	events, stop, done := make(chan Event, watchBuffer), make(chan struct{}), make(chan struct{})
	w := &Watch{Events: events}
	w.close = sync.OnceFunc(func() {
		close(stop)
		c.Close()
		<-done
	})
	go func() {
		defer close(done)
		defer close(events)
		err := c.receive(events, stop)
		select {
		case <-stop:
		default:
			w.fail(err)
		}
	}()
	return w, nil
}

// receive passes events on until the connection ends.
func (c *Client) receive(events chan<- Event, stop <-chan struct{}) error {
	for {
		line, err := readLine(c.lines)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("sim: watch ended by the simulated board: %w", os.ErrClosed)
		}
		var e Event
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			return fmt.Errorf("sim: watch simulated board: %w", err)
		}
		select {
		case events <- e:
		case <-stop:
			return nil
		}
	}
}
