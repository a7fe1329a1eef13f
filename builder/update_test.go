package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/schemas"
)

const updateProgram = `#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	__u32 pid;
	__u64 bytes_sent;
	__u64 wait_ns;
	char path[200];
	char tag[8];
	gadget_errno error_raw;
};

const volatile __u32 min_size = 0;
GADGET_PARAM(min_size);

GADGET_TRACER_MAP(events, 1024);
GADGET_TRACER(sent, events, event);

SEC("raw_tp/sys_enter")
int nothing(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
`

// update runs UpdateMetadata on a program and a gadget.yaml, "" for none.
func update(t *testing.T, metadata string) (dir, text string, added []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "sender")
	write(t, filepath.Join(dir, "program.bpf.c"), updateProgram)
	if metadata != "" {
		write(t, filepath.Join(dir, "gadget.yaml"), metadata)
	}
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	out, added, err := UpdateMetadata(t.Context(), dir, src, Options{Stderr: &stderr})
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return dir, string(out), added
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateMetadata(t *testing.T) {
	dir, text, _ := update(t, "")
	want := `name: sender
description: 'TODO: what this gadget shows, in one sentence'
datasources:
  sent:
    fields:
      pid:
        annotations:
          template: pid
      bytes_sent:
        annotations:
          description: Bytes sent
          columns.alignment: right
          columns.minwidth: "10"
      wait_ns:
        annotations:
          description: Wait in nanoseconds
          columns.alignment: right
          columns.minwidth: "7"
      path:
        annotations:
          description: Path of the file
          columns.width: "32"
      tag:
        annotations:
          description: Tag
      error_raw:
        annotations:
          description: Error, empty for none, as a number
params:
  ebpf:
    min_size:
      key: min-size
      description: Min size
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
	// What is written has nothing to complain about but the sentence of its author.
	write(t, filepath.Join(dir, "gadget.yaml"), text)
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := Lint(t.Context(), src, Options{})
	if err != nil || len(problems) != 1 || problems[0].Message != "the gadget has no description" {
		t.Errorf("problems %v, %v", problems, err)
	}
}

func TestUpdateKeeps(t *testing.T) {
	old := `# mine
name: other
description: what I say
datasources:
    Sent: # my spelling
        fields:
            PATH:
                annotations: {description: where}

            # the tag
            tag:
                annotations:
                    description: x
                    columns.hidden: 'true'
params:
    ebpf:
        min_size:
            description: smallest size
mykey: {keep: [1, 2]}
`
	_, text, added := update(t, old)
	for line := range strings.Lines(old) {
		if !strings.Contains(text, line) {
			t.Errorf("line %q is gone", line)
		}
	}
	for _, key := range []string{"name", "description"} {
		if slices.Contains(added, key) {
			t.Errorf("%s was added", key)
		}
	}
	md, problems, err := schemas.ParseMetadata("gadget.yaml", []byte(text))
	if err != nil || len(problems) != 1 {
		t.Fatalf("%v %v\n%s", err, problems, text)
	}
	fields := md.DataSources["sent"].Fields
	if fields["path"].Annotations["description"] != "where" || fields["bytes_sent"].Annotations["description"] != "Bytes sent" ||
		len(md.DataSources) != 1 || md.Params.EBPF["min_size"].Description != "smallest size" {
		t.Errorf("got\n%s", text)
	}
}

func TestLint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	write(t, filepath.Join(dir, "program.bpf.c"), strings.Replace(updateProgram, "struct gadget_process proc", "gadget_comm comm[16]", 1))
	write(t, filepath.Join(dir, "gadget.yaml"), "name: x\ndatasources:\n  sent:\n    fields:\n      bytes_sent: {annotations: {columns.widht: '3'}}\n      nothing: {}\n")
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := Lint(t.Context(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, p := range problems {
		text.WriteString(strings.TrimPrefix(p.String(), dir+"/") + "\n")
	}
	for _, want := range []string{
		"gadget.yaml: warning: the gadget has no description (say in one sentence what it shows)",
		"gadget.yaml:5:7: warning: field bytes_sent of data source sent has no description (gadget image build --update-metadata",
		"gadget.yaml:3:3: warning: events of data source sent tell no namespace, so their container is unknown (put a struct gadget_process",
		`gadget.yaml:6:7: error: data source sent has no field "nothing"`,
		"warning: parameter min_size has no description",
		"columns.widht",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is not in\n%s", want, &text)
		}
	}
}
