package uprobe

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func TestParseArguments(t *testing.T) {
	const unknown = argUnknown
	for _, tt := range []struct {
		arch, text string
		want       []argument
	}{
		{"amd64", "", nil},
		{"amd64", "-4@$-9 8@$0x10 4@%eax", []argument{{argConstant, -9, 0, -4}, {argConstant, 16, 0, 8}, {argRegister, 0, 80, 4}}},
		{"amd64", "8@$18446744073709551615", []argument{{argConstant, -1, 0, 8}}},
		{"amd64", "8@%r15 -1@%sil 2@%bp", []argument{{argRegister, 0, 0, 8}, {argRegister, 0, 104, -1}, {argRegister, 0, 32, 2}}},
		{"amd64", " -4@-1204(%rbp)  8@(%rdi) 8@24(%rsp)", []argument{{argMemory, -1204, 32, -4}, {argMemory, 0, 112, 8}, {argMemory, 24, 152, 8}}},
		{"amd64", "8f@%xmm0 8@(%rdx,%rax,8) 8@counter(%rip) 4@%edi", []argument{{unknown, 0, 0, 8}, {unknown, 0, 0, 8}, {unknown, 0, 0, 8}, {argRegister, 0, 112, 4}}},
		{"amd64", "x@%rax", []argument{{unknown, 0, 0, 8}}},
		{"amd64", "3@%rax", []argument{{unknown, 0, 0, 8}}},
		{"amd64", "%rax", []argument{{unknown, 0, 0, 8}}},
		{"arm64", "-4@5 8@x0 -4@w30 8@sp", []argument{{argConstant, 5, 0, -4}, {argRegister, 0, 0, 8}, {argRegister, 0, 240, -4}, {argRegister, 0, 248, 8}}},
		{"arm64", "-8@[x29, 16] 4@[sp] 4@[sp, -12] 1@x3", []argument{{argMemory, 16, 232, -8}, {argMemory, 0, 248, 4}, {argMemory, -12, 248, 4}, {argRegister, 0, 24, 1}}},
		{"arm64", "8@x31 8@[x1, x2] 8@[x00]", []argument{{unknown, 0, 0, 8}, {unknown, 0, 0, 8}, {unknown, 0, 0, 8}}},
	} {
		got, err := parseArguments(tt.arch, tt.text)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %q:\n got %+v\nwant %+v", tt.arch, tt.text, got, tt.want)
		}
		hasUnknown := slices.ContainsFunc(tt.want, func(a argument) bool { return a.place == unknown })
		if (err != nil) != hasUnknown {
			t.Errorf("%s %q: error %v", tt.arch, tt.text, err)
		}
	}
	if got, err := parseArguments("amd64", strings.Repeat("8@%rax ", 13)); len(got) != maxArguments || err == nil {
		t.Errorf("13 arguments: %d, %v", len(got), err)
	}
}

// TestEncodeSpec checks the layout of struct __bpf_usdt_spec.
func TestEncodeSpec(t *testing.T) {
	got := hex.EncodeToString(encodeSpec([]argument{{argMemory, -2, 32, -4}, {argConstant, 7, 0, 8}}))
	want := "feffffffffffffff" + "02000000" + "2000" + "01" + "20" +
		"0700000000000000" + "00000000" + "0000" + "00" + "00" +
		strings.Repeat("00", 10*16) + "0000000000000000" + "0200" + "000000000000"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("-4@$-9 8@%rax -4@-1204(%rbp) 8@(%rdx,%rax,8)")
	f.Add("-4@5 8@x0 -8@[x29, 16] 4@[sp]")
	f.Fuzz(func(t *testing.T, text string) {
		for _, arch := range []string{"amd64", "arm64"} {
			args, _ := parseArguments(arch, text)
			if len(encodeSpec(args)) != specSize {
				t.Error("a spec of another size")
			}
			for _, a := range args {
				if a.register < 0 || a.register > 248 {
					t.Errorf("register at %d", a.register)
				}
			}
		}
	})
}
