package plan_test

import (
	"testing"

	"github.com/gadget-bpf/gadget/internal/plan"
)

func TestParseUserTarget(t *testing.T) {
	for _, tt := range []struct {
		kind, hook string
		want       plan.UserTarget
		err        string
	}{
		{"uprobe", "libc:malloc", plan.UserTarget{File: "libc", Name: "malloc"}, ""},
		{"uprobe", "/usr/bin/app:main.main", plan.UserTarget{File: "/usr/bin/app", Name: "main.main"}, ""},
		{"uprobe", "//usr/../bin/app:f", plan.UserTarget{File: "/bin/app", Name: "f"}, ""},
		{"uprobe", "libc:malloc+0x10", plan.UserTarget{File: "libc", Name: "malloc", Offset: 16}, ""},
		{"uprobe", "libc:malloc+16", plan.UserTarget{File: "libc", Name: "malloc", Offset: 16}, ""},
		{"uprobe", "/app:os.(*File).Read", plan.UserTarget{File: "/app", Name: "os.(*File).Read"}, ""},
		{"uretprobe", "libc:malloc", plan.UserTarget{File: "libc", Name: "malloc"}, ""},
		{"usdt", "libc:libc:setjmp", plan.UserTarget{File: "libc", Provider: "libc", Name: "setjmp"}, ""},
		{"usdt", "/app:shop:a+b", plan.UserTarget{File: "/app", Provider: "shop", Name: "a+b"}, ""},
		{"uprobe.multi", "libssl:SSL_*,OPENSSL_init", plan.UserTarget{File: "libssl", Name: "SSL_*,OPENSSL_init"}, ""},

		{"uprobe", "", plan.UserTarget{}, `"" does not say where to attach; write FILE:FUNCTION, such as libc:malloc or /usr/bin/app:main`},
		{"uprobe", "malloc", plan.UserTarget{}, `"malloc" does not say where to attach; write FILE:FUNCTION, such as libc:malloc or /usr/bin/app:main`},
		{"uprobe", "bin/app:main", plan.UserTarget{}, `"bin/app" is neither an absolute path nor the name of a library such as libc`},
		{"uprobe", "libc:malloc+", plan.UserTarget{}, `"malloc+": want a number of bytes behind the plus sign, such as +16 or +0x10`},
		{"uprobe", "libssl:SSL_*", plan.UserTarget{}, `"SSL_*" is no function; patterns and lists are for uprobe.multi and uretprobe.multi`},
		{"uretprobe", "libc:malloc+4", plan.UserTarget{}, `functions return as a whole: a uretprobe takes no offset`},
		{"usdt", "libc:setjmp", plan.UserTarget{}, `"libc:setjmp" does not say where to attach; write FILE:PROVIDER:PROBE, such as libc:libc:setjmp`},
		{"uprobe.multi", "libc:a,,b", plan.UserTarget{}, `"a,,b" is no list of functions or patterns`},
	} {
		got, err := plan.ParseUserTarget(tt.kind, tt.hook)
		switch {
		case tt.err != "":
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s/%s: error %v, want %s", tt.kind, tt.hook, err, tt.err)
			}
		case err != nil || got != tt.want:
			t.Errorf("%s/%s: %+v, %v", tt.kind, tt.hook, got, err)
		default:
			if again, err := plan.ParseUserTarget(tt.kind, got.String()); err != nil || again != got {
				t.Errorf("%s: %+v, %v after %s", tt.hook, again, err, got.String())
			}
		}
	}
}
