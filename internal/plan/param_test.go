package plan_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

func TestParamEncode(t *testing.T) {
	params := map[string]*plan.Param{}
	p := gadgettest.Plan(t, everything)
	for i := range p.Params {
		params[p.Params[i].Key] = &p.Params[i]
	}
	for _, tt := range []struct {
		key, text string
		want      []byte
		wantErr   string
	}{
		{key: "verbose", text: "true", want: []byte{1}},
		{key: "verbose", text: "maybe", wantErr: `"maybe" is not true or false`},
		{key: "level", text: "-7", want: []byte{0xf9, 0xff}},
		{key: "pid", text: "0x10", want: []byte{16, 0, 0, 0}},
		{key: "prefix", text: "abc", want: []byte("abc\x00\x00\x00\x00\x00")},
		{key: "prefix", text: "far too long", wantErr: `"far too long" is longer than 8 bytes`},
		{key: "address", text: "192.0.2.1", want: append(append([]byte{192, 0, 2, 1}, make([]byte, 12)...), append([]byte{4}, make([]byte, 15)...)...)},
		{key: "address", text: "2001:db8::1", want: append([]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, append([]byte{6}, make([]byte, 15)...)...)},
		{key: "ratio_min", text: "1", want: []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
	} {
		t.Run(tt.key+" "+tt.text, func(t *testing.T) {
			got, err := params[tt.key].Encode(tt.text)
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("% x (%v), want % x", got, err, tt.want)
			}
		})
	}
}

// Every type takes what it should, and says what it takes.
func TestParamCheck(t *testing.T) {
	for _, tt := range []struct {
		typ    string
		good   []string
		bad    []string
		reason string
	}{
		{"bool", []string{"true", "false", "1", "f"}, []string{"", "yes", "2"}, "is not true or false"},
		{"int8", []string{"-128", "127", "0x7f"}, []string{"", "128", "-129", "1.0"}, "is not a whole number from -128 to 127"},
		{"int16", []string{"-32768", "32767"}, []string{"32768"}, "is not a whole number from -32768 to 32767"},
		{"int32", []string{"-2147483648"}, []string{"2147483648"}, "is not a whole number from -2147483648 to 2147483647"},
		{"int64", []string{"-9223372036854775808"}, []string{"9223372036854775808"}, "is not a whole number from -9223372036854775808 to 9223372036854775807"},
		{"int", []string{"-1"}, []string{"one"}, "is not a whole number from -9223372036854775808 to 9223372036854775807"},
		{"uint8", []string{"0", "255"}, []string{"256", "-1"}, "is not a whole number from 0 to 255"},
		{"uint16", []string{"65535"}, []string{"65536"}, "is not a whole number from 0 to 65535"},
		{"uint32", []string{"4294967295"}, []string{"4294967296"}, "is not a whole number from 0 to 4294967295"},
		{"uint64", []string{"18446744073709551615"}, []string{"18446744073709551616"}, "is not a whole number from 0 to 18446744073709551615"},
		{"uint", []string{"7"}, []string{"-7"}, "is not a whole number from 0 to 18446744073709551615"},
		{"float32", []string{"0.5", "-1e3", "3"}, []string{"half", "1e39"}, "is not a number that a float32 holds, such as 0.5 or 1e3"},
		{"float64", []string{"1e39"}, []string{"1e400"}, "is not a number that a float64 holds, such as 0.5 or 1e3"},
		{"duration", []string{"0", "500ms", "1m30s"}, []string{"", "5", "soon"}, "is not a duration such as 500ms or 2s"},
		{"ip", []string{"10.0.0.1", "::1"}, []string{"10.0.0", "host", "fe80::1%eth0", "10.0.0.0/8"}, "is not an IPv4 or IPv6 address"},
		{"string", []string{"", "any text"}, nil, ""},
		{"bytes", []string{"00ff"}, nil, ""},
		{"[]string", []string{"a,b", ""}, nil, ""},
	} {
		p := plan.Param{Type: tt.typ}
		for _, text := range tt.good {
			if err := p.Check(text); err != nil {
				t.Errorf("%s: %v", tt.typ, err)
			}
		}
		for _, text := range tt.bad {
			if err := p.Check(text); err == nil || !strings.HasPrefix(err.Error(), `"`+text+`" `) || !strings.HasSuffix(err.Error(), tt.reason) {
				t.Errorf("%s %q: error %v, want …%s", tt.typ, text, err, tt.reason)
			}
		}
	}
	p := plan.Param{Type: "string", Variable: "v", Size: 8, Possible: []string{"read", "write"}}
	for text, want := range map[string]string{
		"read": "", "Read": `"Read" is not one of read, write; did you mean "read"?`, "x": `"x" is not one of read, write`,
	} {
		if err := p.Check(text); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// TestDefaults checks where the default of a parameter comes from.
func TestDefaults(t *testing.T) {
	object := gadgettest.Object(t, everything)
	for _, tt := range []struct{ yaml, override, want, problem string }{
		{"", "", "-7", ""},
		{"12", "", "12", ""},
		{"many", "", "-7", `defaultValue of parameter level has no effect: "many" is not a whole number`},
		{"12", "13", "13", ""},
		{"12", "lots", "12", `paramDefaults of parameter level has no effect: "lots" is not`},
	} {
		md := &schemas.Metadata{
			Params:        schemas.Params{EBPF: map[string]schemas.Param{"level": {DefaultValue: tt.yaml}}},
			ParamDefaults: map[string]string{"operator.oci.ebpf.level": tt.override},
		}
		p, err := plan.New(object, md)
		if err != nil {
			t.Fatal(err)
		}
		if got := param(t, p, "level"); got.Default != tt.want {
			t.Errorf("%+v: default %q", tt, got.Default)
		}
		problems := ""
		for _, found := range p.Problems {
			problems += found.String()
		}
		if (problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
			t.Errorf("%+v: problems %s", tt, problems)
		}
	}
}

func param(t *testing.T, p *plan.Plan, key string) plan.Param {
	t.Helper()
	for _, x := range p.Params {
		if x.Key == key {
			return x
		}
	}
	t.Fatalf("no parameter %s", key)
	return plan.Param{}
}

// What gadget.yaml says of a parameter arrives, whether a variable or a patch is
// behind it.
func TestParamDescription(t *testing.T) {
	md, problems, err := schemas.ParseMetadata("gadget.yaml", []byte(`
params:
  ebpf:
    level: {key: how, alternativeKey: how-much, alias: l, title: Level, isMandatory: true, possibleValues: [1, 2], valueHint: size}
    verbose: {isMandatory: true, defaultValue: true}
  custom:
    zoo: {type: duration, description: first, patch: {}}
    ape: {values: {a: , B: {patch: {name: x}}}, defaultValue: c, isMandatory: true}
    idle: {description: changes nothing}
paramDefaults:
  Custom.Zoo: 5s
`))
	if err != nil || len(problems) != 1 {
		t.Fatal(err, problems)
	}
	p, err := plan.New(gadgettest.Object(t, everything), md)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []plan.Param{
		{Scope: "operator.oci.ebpf", Key: "how", AlternativeKey: "how-much", Alias: "l", Variable: "level", Type: "int16", Size: 2, Default: "-7", Description: "Level",
			ValueHint: "size", Possible: []string{"1", "2"}, Mandatory: true},
		{Scope: "operator.oci.ebpf", Key: "verbose", Variable: "verbose", Type: "bool", Size: 1, Default: "true"},
		{Scope: "custom", Key: "zoo", Type: "duration", Default: "5s", Description: "first"},
		{Scope: "custom", Key: "ape", Type: "string", Possible: []string{"a", "B"}, Mandatory: true},
	} {
		got := param(t, p, want.Key)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	last := p.Params[len(p.Params)-2:]
	if last[0].FullName() != "custom.zoo" || last[1].Key != "ape" {
		t.Errorf("custom parameters %v, want those that patch in the order of the file", last)
	}
	ape := param(t, p, "ape")
	if err := ape.Check("b"); err != nil {
		t.Errorf("letter case of a custom value: %v", err)
	}
	if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Message, `"c" is not one of a, B`) {
		t.Errorf("problems %v", p.Problems)
	}
	if p, err = plan.New(nil, md); err != nil || len(p.Params) != 2 {
		t.Errorf("without a program: %+v, %v", p.Params, err)
	}
}

// A name that cannot be a flag is not used, and told.
func TestParamKeys(t *testing.T) {
	md, _, err := schemas.ParseMetadata("gadget.yaml", []byte(`
params:
  ebpf:
    level: {key: "a\x1b[2J"}
    verbose: {alternativeKey: "--x"}
  custom:
    "b=c": {patch: {}}
    "": {patch: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(gadgettest.Object(t, everything), md)
	if err != nil {
		t.Fatal(err)
	}
	param(t, p, "level")
	if v := param(t, p, "verbose"); v.AlternativeKey != "" {
		t.Errorf("alternative key %q", v.AlternativeKey)
	}
	for _, x := range p.Params {
		if x.Custom() {
			t.Errorf("parameter %q", x.Key)
		}
	}
	if len(p.Problems) != 3 {
		t.Errorf("problems %v", p.Problems)
	}
}

// Annotations of the data source make fields, those of a field replace its value
// in columns.
func TestAnnotatedFields(t *testing.T) {
	md := &schemas.Metadata{DataSources: map[string]schemas.DataSource{"everything": {
		Annotations: map[string]string{"env.fields.node": "NODE_NAME", "env.fields.small": "X", "env.fields.": "Y"},
		Fields: map[string]schemas.Field{
			"s8":   {Annotations: map[string]string{"columns.replace": "name"}},
			"name": {Annotations: map[string]string{"columns.replace": "nothing"}},
		},
	}}}
	p, err := plan.New(gadgettest.Object(t, everything), md)
	if err != nil {
		t.Fatal(err)
	}
	l := p.Source("everything").Layout
	node := l.Field("node")
	if node == nil || node.Kind != event.EnvVar || node.Format != "NODE_NAME" || node.Hidden || node.Description != "Environment variable NODE_NAME" {
		t.Errorf("field node: %+v", node)
	}
	if l.Field("") != nil {
		t.Error("a field without a name")
	}
	if got := l.Field("s8").Column.Replace; got != l.Field("name") || got == nil {
		t.Errorf("s8 shows %v, want name", got)
	}
	if got := l.Field("name").Column.Replace; got != nil {
		t.Errorf("name shows %v, want itself", got)
	}
}
