#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/filesystem.h>

char path[GADGET_PATH_MAX];

long path_of(int fd)
{
	return read_full_path_of_open_file_fd(fd, path, sizeof(path));
}
