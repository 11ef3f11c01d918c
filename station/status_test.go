package station

import (
	"encoding/json"
	"regexp"
	"testing"

	"intercom/audio"
	"intercom/call"
)

// Every key of the status is in one style, also of what other packages count.
func TestStatusKeys(t *testing.T) {
	st := Status{
		Call: &CallStatus{Stages: []call.Stage{{}}}, Last: []call.Record{{}},
		Counters: Counters{Media: new(call.Statistics), Audio: new(audio.ReceiverStats), Buttons: map[string]ButtonStatus{"bell": {}}},
	}
	data, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	style, n := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`), 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				if n++; !style.MatchString(k) {
					t.Errorf("%s.%s", path, k)
				}
				walk(path+"."+k, v)
			}
		case []any:
			for _, v := range v {
				walk(path+"[]", v)
			}
		}
	}
	walk("", v)
	if counters := v["counters"].(map[string]any); n < 50 || counters["media"] == nil || counters["audio"] == nil {
		t.Errorf("%d keys, media %v, audio %v", n, counters["media"], counters["audio"])
	}
}
