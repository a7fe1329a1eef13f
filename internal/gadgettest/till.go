package gadgettest

import (
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// command runs a command of the test's preparation.
func command(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// multiarch is the name of this machine's directories of libraries.
var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]

// Tills builds programs that sell in a shop whenever they get a SIGUSR1, below a
// directory that looks like the root of a container, and returns that. They are
//
//	bin/till-glibc    linked with opt/shop/lib/libshop.so.1, which is in etc/ld.so.cache
//	bin/till-musl     linked with usr/local/lib/libshop.so.9, for musl
//	bin/till-static   has libshop and glibc in itself
//	bin/till-dlopen   opens the library that it is told at the first signal, for
//	                  example opt/plugins/libshop-2.so
//	bin/till-go       is Go, stripped, and sells by main.sell
//
// libshop has the functions sell and restock_shelf, and the USDT probe shop:sale with
// a semaphore.
func Tills(t testing.TB) string {
	t.Helper()
	root, src := t.TempDir(), t.TempDir()
	if err := os.CopyFS(src, tillSources); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		return file
	}
	copyTo := func(from, to string) { command(t, "cp", "--dereference", from, to) }
	// Compilers for another C library do not look where the header is.
	if err := os.Mkdir(src+"/sys", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"sdt.h", "sdt-config.h"} { // apt-get install systemtap-sdt-dev
		copyTo("/usr/include/"+multiarch+"/sys/"+header, src+"/sys/"+header)
	}
	till, shop := src+"/testdata/till/till.c", src+"/testdata/till/shop.c"
	cc := func(compiler string, args ...string) {
		command(t, compiler, append([]string{"-O1", "-isystem", src}, args...)...)
	}
	glibc := in("opt/shop/lib/libshop.so.1")
	cc("gcc", "-shared", "-fPIC", "-Wl,-soname,libshop.so.1", "-o", glibc, shop)
	cc("gcc", "-DLINKED", "-o", in("bin/till-glibc"), till, glibc)
	cc("gcc", "-o", in("bin/till-dlopen"), till)
	cc("gcc", "-shared", "-fPIC", "-o", in("opt/plugins/libshop-2.so"), shop)
	cc("gcc", "-static", "-DLINKED", "-o", in("bin/till-static"), till, shop)
	musl := in("usr/local/lib/libshop.so.9")
	cc("musl-gcc", "-shared", "-fPIC", "-Wl,-soname,libshop.so.9", "-o", musl, shop)
	cc("musl-gcc", "-DLINKED", "-o", in("bin/till-musl"), till, musl)
	command(t, "go", "build", "-ldflags=-s -w", "-o", in("bin/till-go"), src+"/testdata/till/gotill/main.go")

	loader := map[string]string{"amd64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}[runtime.GOARCH]
	muslLoader := "lib/ld-musl-" + strings.TrimSuffix(multiarch, "-linux-gnu") + ".so.1"
	for _, name := range []string{loader, "lib/" + multiarch + "/libc.so.6", muslLoader} {
		copyTo("/"+name, in(name))
	}
	if err := os.WriteFile(in("etc/ld.so.conf"), []byte("/opt/shop/lib\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "/sbin/ldconfig", "-r", root)
	return root
}

//go:embed testdata/till
var tillSources embed.FS
