package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSeconds(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"10", 10 * time.Second, true},
		{"0.5", 500 * time.Millisecond, true},
		{"1m30s", 90 * time.Second, true},
		{"0", 0, true},
		{"-1", 0, false},
		{"ten", 0, false},
		{"", 0, false},
		{"NaN", 0, false},
		{"Inf", 0, false},
		{"1e300", 0, false},
	}
	for _, tt := range tests {
		var got seconds
		err := got.Set(tt.in)
		if (err == nil) != tt.ok || time.Duration(got) != tt.want {
			t.Errorf("%q: %v, %v; want %v, ok %v", tt.in, time.Duration(got), err, tt.want, tt.ok)
		}
	}
}

func TestByteSize(t *testing.T) {
	tests := []struct {
		in, text string
		want     uint64
	}{
		{"4MiB", "4MiB", 4 << 20},
		{"512 KiB", "512KiB", 512 << 10},
		{"2M", "2MiB", 2 << 20},
		{"1MB", "1000000", 1e6},
		{"65536", "64KiB", 65536},
		{"64kB", "64000", 64000},
		{"0", "0", 0},
	}
	for _, tt := range tests {
		var got byteSize
		if err := got.Set(tt.in); err != nil || uint64(got) != tt.want || got.String() != tt.text {
			t.Errorf("%q: %d %q, %v; want %d %q", tt.in, uint64(got), got.String(), err, tt.want, tt.text)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "1.5MiB", "99999999999999GiB", "4MiBs"} {
		var got byteSize
		if err := got.Set(bad); err == nil {
			t.Errorf("%q: %d, want an error", bad, uint64(got))
		}
	}
}

func TestPerSource(t *testing.T) {
	tests := []struct {
		name, in, separator string
		accept              func(string) error
		want                map[string]string // by source; "" is any other
		err                 string
	}{
		{"for all", "json", ",", oneOf("", outputFormats...).accept, map[string]string{"": "json", "exec": "json"}, ""},
		{"for one", "exec:json", ",", oneOf("", outputFormats...).accept, map[string]string{"": "", "exec": "json"}, ""},
		{"each", "exec:json,exit:none,yaml", ",", oneOf("", outputFormats...).accept, map[string]string{"": "yaml", "exec": "json", "exit": "none"}, ""},
		{"fields", "proc.comm,fname", ";", nil, map[string]string{"exec": "proc.comm,fname"}, ""},
		{"fields each", "exec:a,b;exit:-c", ";", nil, map[string]string{"exec": "a,b", "exit": "-c"}, ""},
		{"wrong", "exec:jsn", ",", oneOf("", outputFormats...).accept, nil, "did you mean json?"},
		{"times", "open:2,5s", ",", isSeconds, map[string]string{"open": "2", "kill": "5s"}, ""},
		{"no time", "open:soon", ",", isSeconds, nil, `"soon" is not a duration`},
		{"no number", "-1", ",", isCount, nil, `"-1" is not a whole number of 0 or more`},
		{"wrong list", "columns,json", ",", oneOf("", outputFormats...).accept, nil, "is not one of"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := perSource{separator: tt.separator, accept: tt.accept}
			err := p.Set(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for source := range tt.want {
				got[source] = p.value(source)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte("a == 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := fromFile("@" + path); err != nil || got != "a == 1" {
		t.Errorf("@file: %q, %v", got, err)
	}
	if got, err := fromFile("a@b"); err != nil || got != "a@b" {
		t.Errorf("plain: %q, %v", got, err)
	}
	if _, err := fromFile("@/none"); err == nil {
		t.Error("a file that does not exist is no error")
	}
}

func TestKernelName(t *testing.T) {
	for in, want := range map[string]string{
		"RingBuf": "ringbuf", "PerfEventArray": "perf_event_array", "PerCPUArray": "percpu_array", "LRUCPUHash": "lru_percpu_hash",
		"TracePoint": "tracepoint", "RawTracepoint": "raw_tracepoint", "CGroupSKB": "cgroup_skb", "Hash": "hash", "SchedCLS": "sched_cls", "XDP": "xdp",
	} {
		if got := kernelName(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
