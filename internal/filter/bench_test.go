package filter

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gadget-bpf/gadget/internal/event"
)

var speeds = []struct{ name, source string }{
	{"Number", `proc.pid == 4242`},
	{"Text", `proc.comm == "bash"`},
	{"Formatted", `error == "ENOENT"`},
	{"Regexp", `fname matches "\\.so(\\.|$)"`},
	{"In", `proc.comm in ["zsh", "dash", "bash"]`},
	{"Peer", `proc.comm=bash,proc.pid>1,error=ENOENT`},
	{"Long", `proc.comm in ["cat", "bash"] && !(fname startsWith "/proc") && (error_raw == 2 || cidr(dst.addr, "10.0.0.0/8")) && latency > "1ms"`},
}

func BenchmarkFilter(b *testing.B) {
	l, env, rec := sample()
	for _, s := range speeds {
		b.Run(s.name, func(b *testing.B) {
			f, err := Compile(s.source, l, env)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !f(rec) {
					b.Fatal("does not pass")
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}

func TestNoAllocations(t *testing.T) {
	l, env, rec := sample()
	sources := []string{
		`lower(args) contains "hällo" and len(fname) > 3`, `443 in ports`, `timestamp startsWith "2026"`, `raw == "ab00"`,
		`(ok ? proc.comm : fname) == "bash"`, `runtime.containerName == "web"`, `1.5 < addr`, `proc.comm not in ["a"]`,
	}
	for _, s := range speeds {
		sources = append(sources, s.source)
	}
	for _, source := range sources {
		f, err := Compile(source, l, env)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { f(rec) }); n != 0 {
			t.Errorf("%s: %v allocations per event", source, n)
		}
	}
}

// FuzzCompile checks of any filter that it compiles or gives an error that fits
// on a screen, and that what compiles says the same of a record twice and
// survives records of any length.
func FuzzCompile(f *testing.F) {
	for _, s := range speeds {
		f.Add(s.source)
	}
	f.Add(`let x = [1..9]; x?.y ?? {"a": #} | filter(.b > 1e9) ? -1 ** 2 : nil`)
	f.Add(`if ok { true } else { addr - 1 % ports[1] in 1..3 }; $env["weird-name"]`)
	f.Add(`proc.comm!~a\,b,ok=true,ratio<=0x1p-2,ports=1`)
	f.Fuzz(func(t *testing.T, source string) {
		l, env, rec := sample()
		pass, err := Compile(source, l, env)
		if err != nil {
			text := err.Error()
			if pass != nil || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\x7f\u202e\u0085") {
				t.Errorf("%q: bad error %q", source, text)
			}
			return
		}
		first := pass(rec)
		for n := range rec.Raw {
			pass(&event.Record{Raw: rec.Raw[:n]})
		}
		if pass(rec) != first {
			t.Errorf("%q changes its mind", source)
		}
	})
}
