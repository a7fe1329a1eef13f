package container

import (
	"strings"
	"testing"
)

// hex is a container id.
const hex = "4e9b5b3c7a1d2f60818293a4b5c6d7e8f9000112233445566778899aabbccdde"

// other is another one.
const other = "00ff5b3c7a1d2f60818293a4b5c6d7e8f9000112233445566778899aabbccd11"

func TestIdentifyPath(t *testing.T) {
	tests := []struct {
		name, path, runtime, id string
		// own is the container's cgroup, when it is not the whole path.
		own string
	}{
		{name: "docker, cgroupfs", path: "/docker/" + hex, runtime: "docker", id: hex},
		{name: "docker, systemd", path: "/system.slice/docker-" + hex + ".scope", runtime: "docker", id: hex},
		{name: "docker, rootless", path: "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + hex + ".scope", runtime: "docker", id: hex},
		{name: "docker, --cgroup-parent slice", path: "/web.slice/docker-" + hex + ".scope", runtime: "docker", id: hex},
		{name: "docker, --cgroup-parent path", path: "/batch/" + hex, id: hex},
		{name: "docker, systemd in the container", path: "/docker/" + hex + "/system.slice/nginx.service", runtime: "docker", id: hex, own: "/docker/" + hex},
		{name: "docker in docker", path: "/docker/" + other + "/docker/" + hex, runtime: "docker", id: hex},
		{name: "docker, its builder", path: "/docker/buildkit/v8qmyaqbzzn1y5hbg6tbj0sgt", runtime: "docker", id: "v8qmyaqbzzn1y5hbg6tbj0sgt"},
		{name: "ECS", path: "/ecs/9781c248-0edd-4cdb-9a93-f63cb662a5d3/" + hex, id: hex},
		{name: "GitHub Actions", path: "/actions_job/" + hex, id: hex},
		{name: "Kubernetes, cgroupfs", path: "/kubepods/besteffort/pod0b6b2f9e-5d86-4c2b-8f0f-6a1d6d1f1e11/" + hex, id: hex},
		{name: "Kubernetes, guaranteed", path: "/kubepods/pod0b6b2f9e-5d86-4c2b-8f0f-6a1d6d1f1e11/" + hex, id: hex},
		{
			name: "Kubernetes, containerd, systemd", runtime: "containerd", id: hex,
			path: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b6b2f9e_5d86_4c2b_8f0f_6a1d6d1f1e11.slice/cri-containerd-" + hex + ".scope",
		},
		{
			name: "Kubernetes, a systemd path in cgroupfs", runtime: "containerd", id: hex,
			path: "/system.slice/containerd.service/kubepods-burstable-pod0b6b2f9e_5d86_4c2b_8f0f_6a1d6d1f1e11.slice:cri-containerd:" + hex,
		},
		{
			name: "Kubernetes, CRI-O, systemd", runtime: "cri-o", id: hex,
			path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0b6b2f9e_5d86_4c2b_8f0f_6a1d6d1f1e11.slice/crio-" + hex + ".scope",
		},
		{
			name: "Kubernetes, CRI-O, below the scope", runtime: "cri-o", id: hex,
			path: "/kubepods.slice/kubepods-besteffort.slice/crio-" + hex + ".scope/container",
			own:  "/kubepods.slice/kubepods-besteffort.slice/crio-" + hex + ".scope",
		},
		{name: "Kubernetes, CRI-O, cgroupfs", path: "/kubepods/burstable/pod0b6b2f9e-5d86-4c2b-8f0f-6a1d6d1f1e11/crio-" + hex, runtime: "cri-o", id: hex},
		{
			name: "Kubernetes in docker", runtime: "containerd", id: hex,
			path: "/docker/" + other + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/cri-containerd-" + hex + ".scope",
		},
		{name: "podman, systemd", path: "/machine.slice/libpod-" + hex + ".scope", runtime: "podman", id: hex},
		{
			name: "podman, rootless", runtime: "podman", id: hex,
			path: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + hex + ".scope/container",
			own:  "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + hex + ".scope",
		},
		{name: "podman, cgroupfs", path: "/libpod_parent/libpod-" + hex, runtime: "podman", id: hex},
		{name: "nerdctl, systemd", path: "/system.slice/nerdctl-" + hex + ".scope", runtime: "containerd", id: hex},
		{name: "nerdctl, cgroupfs", path: "/default/" + hex, id: hex},
		{name: "runc, systemd", path: "/user.slice/runc-my-box.scope", runtime: "runc", id: "my-box"},
		{name: "crun, systemd", path: "/system.slice/crun-box.scope", runtime: "crun", id: "box"},

		{name: "nothing", path: ""},
		{name: "root", path: "/"},
		{name: "docker itself", path: "/system.slice/docker.service"},
		{name: "containerd itself", path: "/system.slice/containerd.service"},
		{name: "a unit with private mounts", path: "/system.slice/systemd-timesyncd.service"},
		{name: "a desktop program", path: "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope"},
		{name: "a snap", path: "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.chromium.chromium-0b6b2f9e.scope"},
		{name: "podman's monitor", path: "/machine.slice/libpod-conmon-" + hex + ".scope"},
		{name: "podman's monitor, cgroupfs", path: "/libpod_parent/conmon"},
		{name: "CRI-O's monitor", path: "/kubepods.slice/crio-conmon-" + hex + ".scope"},
		{name: "a pod without a container", path: "/kubepods/besteffort/pod0b6b2f9e-5d86-4c2b-8f0f-6a1d6d1f1e11"},
		{name: "a mount unit of docker", path: "/system.slice/var-lib-docker-overlay2-" + hex + "-merged.mount"},
		{name: "an id that is too short", path: "/docker/" + hex[1:]},
		{name: "not hexadecimal", path: "/docker/" + strings.Repeat("g", 64)},
		{name: "a container's directory, empty", path: "/docker/"},
		{name: "a scope without an id", path: "/system.slice/docker-.scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.own == "" {
				tt.own = tt.path
			}
			got, ok := identifyPath(tt.path)
			want := identity{runtime: tt.runtime, id: tt.id, path: tt.own}
			if tt.id == "" {
				want = identity{}
			}
			if got != want || ok != (tt.id != "") {
				t.Errorf("%s\n got %+v\nwant %+v", tt.path, got, want)
			}
		})
	}
}

func TestIdentifyCgroups(t *testing.T) {
	scope := "/system.slice/docker-" + hex + ".scope"
	tests := []struct{ name, file, path string }{
		{"version 2", "0::" + scope + "\n", scope},
		{"version 1", "12:pids:/docker/" + hex + "\n11:memory:/docker/" + hex + "\n1:name=systemd:/docker/" + hex + "\n", "/docker/" + hex},
		{"hybrid", "9:name=systemd:/docker/" + hex + "\n8:pids:/docker/" + hex + "\n0::/docker/" + hex + "/below\n", "/docker/" + hex},
		{"hybrid, the root in version 2", "9:name=systemd:/docker/" + hex + "\n0::/\n", "/docker/" + hex},
		{"version 2 first, whatever the order", "3:cpu:/docker/" + other + "\n0::/docker/" + hex + "\n", "/docker/" + hex},
		{"colons in the path", "0::/system.slice/containerd.service/kubepods-podx.slice:cri-containerd:" + hex + "\n",
			"/system.slice/containerd.service/kubepods-podx.slice:cri-containerd:" + hex},
		{"host", "9:name=systemd:/\n0::/init.scope\n", ""},
		{"empty", "", ""},
		{"garbage", "\x00\n:\n::\nfoo", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := identifyCgroups([]byte(tt.file))
			if got.path != tt.path || ok != (tt.path != "") {
				t.Errorf("got %+v, want path %q", got, tt.path)
			}
		})
	}
}

func FuzzIdentifyCgroups(f *testing.F) {
	f.Add([]byte("0::/system.slice/docker-" + hex + ".scope\n"))
	f.Add([]byte("4:memory:/kubepods-podx.slice:crio:" + hex + "/x\n0::/"))
	f.Fuzz(func(t *testing.T, file []byte) {
		id, ok := identifyCgroups(file)
		if ok != (id.id != "") {
			t.Errorf("ok is %v with id %q", ok, id.id)
		}
		if !strings.Contains(string(file), id.path) || !strings.Contains(id.path, id.id) {
			t.Errorf("%+v is not in the file", id)
		}
	})
}
