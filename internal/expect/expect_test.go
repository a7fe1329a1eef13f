package expect

import (
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/schemas"
)

func TestCheck(t *testing.T) {
	var events []Event
	for _, line := range []string{
		`{"proc":{"comm":"sh","pid":7},"fd":3,"ok":true,"error":""}`,
		`{"proc":{"comm":"cat","pid":8},"fd":-1,"ok":false,"error":"ENOENT"}`,
		`{"proc":{"comm":"cat","pid":8},"fd":4,"ok":true,"error":""}`,
	} {
		e, err := Parse("open", []byte(line))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	for _, tt := range []struct {
		name, yaml string
		// want is in the failures, "" when there must be none.
		want string
	}{
		{"any", "- event: {proc.comm: cat}", ""},
		{"nested", "- event: {proc: {comm: cat, pid: 8}, ok: true}", ""},
		{"regular expression", "- event: {error: ~^ENO}", ""},
		{"numbers", "- event: {fd: '>=4', proc.pid: '<9', error: '!=ENOENT'}", ""},
		{"count", "- {event: {proc.comm: cat}, count: 2}", ""},
		{"range", "- {event: {}, count: 2..3}", ""},
		{"too many", "- {event: {proc.comm: cat}, count: 1}", `want 1 events with proc.comm "cat", got 2:` + "\n  + proc.comm \"cat\""},
		{"none", "- {event: {proc.comm: ls}, count: 0}", ""},
		{"none but one", "- {event: {fd: 3}, count: 0}", `want no event with fd "3", got 1`},
		{"closest", "- event: {proc.comm: cat, fd: 5, ok: true}", "differs in\n  fd:\n  - 5\n  + 4"},
		{"no such field", "- event: {proc.name: cat}", "proc.name: there is no such field"},
		{"other source", "- {event: {fd: 3}, source: close}", "no events came at all"},
		{"variable", "- event: {proc.pid: '${PID}', proc.comm: '~^${NAME}$'}", ""},
		{"an event counts once", "- event: {fd: 3}\n- event: {fd: 3}", `want an event with fd "3", got 0`},
		{"any order", "- event: {fd: 4}\n- event: {fd: 3}", ""},
		{"order", "- event: {fd: 3}\n- event: {fd: 4}\nordered: true", ""},
		{"wrong order", "- event: {fd: 4}\n- event: {fd: 3}\nordered: true", "one came before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, ordered, _ := strings.Cut(tt.yaml, "\nordered")
			text := "tests:\n- name: x\n  expect:\n  " + strings.ReplaceAll(list, "\n", "\n  ") + "\n"
			if ordered != "" {
				text += "  ordered" + ordered + "\n"
			}
			tests, problems, err := schemas.ParseTests("t", []byte(text))
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			failures := Check(&tests[0], events, Vars("PID=8\nNAME=cat\n"))
			var got strings.Builder
			for _, f := range failures {
				got.WriteString(f.Message)
			}
			if tt.want == "" && len(failures) > 0 || !strings.Contains(got.String(), tt.want) {
				t.Errorf("got %q, want %q", &got, tt.want)
			}
		})
	}
}
