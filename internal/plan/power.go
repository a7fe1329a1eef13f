package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Power is something that a program could do to the system beside watching it.
type Power struct {
	// Does completes "the program could …".
	Does string
	// Call is the function of the kernel that it calls for that, "" when every
	// program of its type can do it.
	Call string
	// At is the place of the first such call in the source, "" when the object
	// does not tell.
	At string
	// Usual powers are those of types that gadgets have always had to have. They are
	// told, and need nobody's permission.
	Usual bool
}

// String completes "the program ", with the call and its place.
func (p Power) String() string {
	s := "could " + p.Does
	if p.Call != "" {
		s += ": it calls " + p.Call
	}
	if p.At != "" {
		s += " at " + p.At
	}
	return s
}

// Changes are the powers that need permission. A disabled program has none.
func (p *Program) Changes() []Power {
	if p.Disabled {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Powers), func(power Power) bool { return power.Usual })
}

// TypePower is what every program of its type could do that gadgets may not have, ""
// for the types that they may.
func (p *Program) TypePower() string {
	for _, power := range p.Powers {
		if power.Call == "" && !power.Usual {
			return power.Does
		}
	}
	return ""
}

// Words for what several functions of the kernel can do.
const (
	doPackets     = "drop, change and redirect packets"
	doConnections = "change and redirect connections"
	doSignals     = "send signals to processes"
	doTracking    = "change which connections the firewall knows"
	doAttributes  = "change extended attributes of files"
	doUnknown     = "do what this version of gadget knows nothing of"
)

// typePowers returns what every program of a type could do, nil for types that only
// watch. A program for security modules may deny what it watches, a classifier may
// drop it; gadgets of this format have always had both.
func typePowers(spec *ebpf.ProgramSpec) []Power {
	does, usual := "", false
	switch spec.Type {
	case ebpf.LSM:
		does, usual = "deny what it watches", true
		if spec.AttachType == ebpf.AttachLSMCgroup {
			does, usual = "forbid what the processes of a cgroup do", false
		}
	case ebpf.SchedCLS:
		does, usual = "drop the packets that it watches", true
	case ebpf.Tracing:
		if spec.AttachType == ebpf.AttachModifyReturn {
			does = "change what functions of the kernel return"
		}
	case ebpf.Extension:
		does = "replace functions of other eBPF programs"
	case ebpf.StructOps:
		does = "replace parts of the kernel, such as its scheduler"
	case ebpf.RawTracepointWritable:
		does = "change the values that the kernel works with"
	case ebpf.SkLookup, ebpf.SkReuseport:
		does = "choose the socket that gets a connection"
	case ebpf.XDP, ebpf.SchedACT, ebpf.Netfilter, ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.LWTSeg6Local:
		does = doPackets
	case ebpf.FlowDissector:
		does = "change how the kernel reads packets"
	case ebpf.CGroupSock, ebpf.CGroupSockAddr, ebpf.CGroupSockopt:
		does = "forbid and redirect the connections of a cgroup"
	case ebpf.CGroupDevice:
		does = "forbid devices to a cgroup"
	case ebpf.CGroupSysctl:
		does = "change and forbid settings of the kernel"
	case ebpf.LircMode2:
		does = "make up key strokes"
	}
	if does == "" {
		return nil
	}
	return []Power{{Does: does, Usual: usual}}
}

// changingHelpers are those of the kernel's helpers (enum bpf_func_id in
// include/uapi/linux/bpf.h, which has been closed at 211) after which the system is
// another than before, for somebody who is not the gadget: memory of processes,
// signals, results of functions, packets under way, connections, settings, input.
// All others read, compute, wait, or write to what belongs to the gadget: its maps,
// its buffers, storage that it keeps beside tasks, inodes and sockets, and trace_pipe.
var changingHelpers = map[asm.BuiltinFunc]struct{ name, does string }{
	asm.FnProbeWriteUser:   {"bpf_probe_write_user", "write into the memory of processes"},
	asm.FnOverrideReturn:   {"bpf_override_return", "make functions of the kernel fail"},
	asm.FnSendSignal:       {"bpf_send_signal", doSignals},
	asm.FnSendSignalThread: {"bpf_send_signal_thread", doSignals},
	asm.FnSysBpf:           {"bpf_sys_bpf", "load other eBPF programs"},
	asm.FnSysClose:         {"bpf_sys_close", "close files of the process that runs it"},
	asm.FnBprmOptsSet:      {"bpf_bprm_opts_set", "change how programs are started"},
	asm.FnSetRetval:        {"bpf_set_retval", "change what system calls return"},
	asm.FnSysctlSetNewValue: {
		"bpf_sysctl_set_new_value", "change settings of the kernel",
	},
	asm.FnRcRepeat:     {"bpf_rc_repeat", "make up key strokes"},
	asm.FnRcKeydown:    {"bpf_rc_keydown", "make up key strokes"},
	asm.FnRcPointerRel: {"bpf_rc_pointer_rel", "make up movements of a mouse"},

	asm.FnSkbStoreBytes:     {"bpf_skb_store_bytes", doPackets},
	asm.FnL3CsumReplace:     {"bpf_l3_csum_replace", doPackets},
	asm.FnL4CsumReplace:     {"bpf_l4_csum_replace", doPackets},
	asm.FnCloneRedirect:     {"bpf_clone_redirect", doPackets},
	asm.FnSkbVlanPush:       {"bpf_skb_vlan_push", doPackets},
	asm.FnSkbVlanPop:        {"bpf_skb_vlan_pop", doPackets},
	asm.FnSkbSetTunnelKey:   {"bpf_skb_set_tunnel_key", doPackets},
	asm.FnSkbSetTunnelOpt:   {"bpf_skb_set_tunnel_opt", doPackets},
	asm.FnRedirect:          {"bpf_redirect", doPackets},
	asm.FnRedirectMap:       {"bpf_redirect_map", doPackets},
	asm.FnRedirectNeigh:     {"bpf_redirect_neigh", doPackets},
	asm.FnRedirectPeer:      {"bpf_redirect_peer", doPackets},
	asm.FnSkbChangeProto:    {"bpf_skb_change_proto", doPackets},
	asm.FnSkbChangeType:     {"bpf_skb_change_type", doPackets},
	asm.FnSkbChangeTail:     {"bpf_skb_change_tail", doPackets},
	asm.FnSkbChangeHead:     {"bpf_skb_change_head", doPackets},
	asm.FnSkbAdjustRoom:     {"bpf_skb_adjust_room", doPackets},
	asm.FnSkbEcnSetCe:       {"bpf_skb_ecn_set_ce", doPackets},
	asm.FnSkbSetTstamp:      {"bpf_skb_set_tstamp", doPackets},
	asm.FnCsumUpdate:        {"bpf_csum_update", doPackets},
	asm.FnCsumLevel:         {"bpf_csum_level", doPackets},
	asm.FnSetHash:           {"bpf_set_hash", doPackets},
	asm.FnSetHashInvalid:    {"bpf_set_hash_invalid", doPackets},
	asm.FnXdpAdjustHead:     {"bpf_xdp_adjust_head", doPackets},
	asm.FnXdpAdjustMeta:     {"bpf_xdp_adjust_meta", doPackets},
	asm.FnXdpAdjustTail:     {"bpf_xdp_adjust_tail", doPackets},
	asm.FnXdpStoreBytes:     {"bpf_xdp_store_bytes", doPackets},
	asm.FnLwtPushEncap:      {"bpf_lwt_push_encap", doPackets},
	asm.FnLwtSeg6StoreBytes: {"bpf_lwt_seg6_store_bytes", doPackets},
	asm.FnLwtSeg6AdjustSrh:  {"bpf_lwt_seg6_adjust_srh", doPackets},
	asm.FnLwtSeg6Action:     {"bpf_lwt_seg6_action", doPackets},

	asm.FnSetsockopt:        {"bpf_setsockopt", doConnections},
	asm.FnBind:              {"bpf_bind", doConnections},
	asm.FnSkAssign:          {"bpf_sk_assign", doConnections},
	asm.FnSkSelectReuseport: {"bpf_sk_select_reuseport", doConnections},
	asm.FnSockMapUpdate:     {"bpf_sock_map_update", doConnections},
	asm.FnSockHashUpdate:    {"bpf_sock_hash_update", doConnections},
	asm.FnSkRedirectMap:     {"bpf_sk_redirect_map", doConnections},
	asm.FnSkRedirectHash:    {"bpf_sk_redirect_hash", doConnections},
	asm.FnMsgRedirectMap:    {"bpf_msg_redirect_map", doConnections},
	asm.FnMsgRedirectHash:   {"bpf_msg_redirect_hash", doConnections},
	asm.FnMsgApplyBytes:     {"bpf_msg_apply_bytes", doConnections},
	asm.FnMsgCorkBytes:      {"bpf_msg_cork_bytes", doConnections},
	asm.FnMsgPushData:       {"bpf_msg_push_data", doConnections},
	asm.FnMsgPopData:        {"bpf_msg_pop_data", doConnections},
	asm.FnSockOpsCbFlagsSet: {"bpf_sock_ops_cb_flags_set", doConnections},
	asm.FnStoreHdrOpt:       {"bpf_store_hdr_opt", doConnections},
	asm.FnReserveHdrOpt:     {"bpf_reserve_hdr_opt", doConnections},
	asm.FnTcpSendAck:        {"bpf_tcp_send_ack", doConnections},
}

// lastHelper is the newest helper there is.
const lastHelper = asm.FnCgrpStorageDelete

// kfuncs are functions of the kernel that programs may call besides its helpers.
// Their list is open, modules have some of their own, and so a function is harmless
// only if it is known to be: read from the kernel's sources up to Linux 6.18
// (BTF_KFUNCS_START), by the measure of changingHelpers. A star stands for any rest
// of a name; the first entry that fits counts.
var kfuncs = []struct{ name, does string }{
	{"crash_kexec", "crash the machine"},
	{"bpf_send_signal_task", doSignals},
	{"bpf_set_dentry_xattr*", doAttributes},
	{"bpf_remove_dentry_xattr*", doAttributes},
	{"bpf_sock_destroy", "close connections"},
	{"bpf_sk_assign_tcp_reqsk", doConnections},
	{"bpf_sock_addr_set_sun_path", doConnections},
	{"bpf_sock_ops_enable_tx_tstamp", doConnections},
	{"bpf_ct_release", ""},
	{"bpf_ct_*", doTracking},
	{"bpf_skb_ct_alloc", doTracking},
	{"bpf_xdp_ct_alloc", doTracking},
	{"bpf_skb_set_*", doPackets},
	{"bpf_xdp_pull_data", doPackets},
	// A classifier may write by it.
	{"bpf_dynptr_from_skb*", doPackets},
	{"bpf_dynptr_from_xdp", doPackets},
	{"hid_bpf_*", "speak for input devices"},
	{"scx_bpf_*", "steer the scheduler"},

	{"__bpf_trap", ""},
	{"bpf_arena_*", ""},
	{"bpf_cast_to_kern_ctx", ""},
	{"bpf_cgroup_acquire", ""},
	{"bpf_cgroup_ancestor", ""},
	{"bpf_cgroup_from_id", ""},
	{"bpf_cgroup_read_xattr", ""},
	{"bpf_cgroup_release", ""},
	{"bpf_copy_from_user_*", ""},
	{"bpf_cpumask_*", ""},
	{"bpf_crypto_*", ""},
	{"bpf_dynptr_*", ""},
	{"bpf_get_*", ""},
	{"bpf_iter_*", ""},
	{"bpf_key_put", ""},
	{"bpf_list_*", ""},
	{"bpf_local_irq_*", ""},
	{"bpf_lookup_system_key", ""},
	{"bpf_lookup_user_key", ""},
	{"bpf_map_sum_elem_count", ""},
	{"bpf_obj_*", ""},
	{"bpf_path_d_path", ""},
	{"bpf_percpu_obj_*", ""},
	{"bpf_preempt_*", ""},
	{"bpf_probe_read_*", ""},
	{"bpf_put_file", ""},
	{"bpf_rbtree_*", ""},
	{"bpf_rcu_read_*", ""},
	{"bpf_rdonly_cast", ""},
	{"bpf_refcount_acquire*", ""},
	{"bpf_res_spin_*", ""},
	{"bpf_session_*", ""},
	{"bpf_skb_ct_lookup", ""},
	{"bpf_skb_get_*", ""},
	{"bpf_str*", ""}, // of strings, and of streams that only bpf(2) reads
	{"bpf_task_acquire", ""},
	{"bpf_task_from_*", ""},
	{"bpf_task_get_cgroup1", ""},
	{"bpf_task_release", ""},
	{"bpf_task_under_cgroup", ""},
	{"bpf_task_work_schedule_*", ""},
	{"bpf_throw", ""},
	{"bpf_verify_pkcs7_signature", ""},
	{"bpf_wq_*", ""},
	{"bpf_xdp_ct_lookup", ""},
	{"bpf_xdp_get_xfrm_state", ""},
	{"bpf_xdp_metadata_rx_*", ""},
	{"bpf_xdp_xfrm_state_release", ""},
	{"cgroup_rstat_*", ""},
	{"css_rstat_*", ""},
}

// kfuncDoes returns what a program could do by a function of the kernel, "" for
// nothing but watching.
func kfuncDoes(name string) string {
	for _, k := range kfuncs {
		prefix, any := strings.CutSuffix(k.name, "*")
		if name == k.name || any && strings.HasPrefix(name, prefix) {
			return k.does
		}
	}
	return doUnknown
}

// Call is a function of the kernel that a program calls.
type Call struct {
	// Name, such as bpf_send_signal; a description when there is none.
	Name string
	// Kfunc tells functions that the kernel exports to programs from helpers.
	Kfunc bool
	// At is the place of the first call in the source, "" when the object does not tell.
	At string

	does string
}

// callsOf lists the functions of the kernel that a program calls, with all its
// functions of its own, sorted by name.
func callsOf(spec *ebpf.ProgramSpec) []Call {
	var calls []Call
	at := ""
	for i := range spec.Instructions {
		ins := &spec.Instructions[i]
		if line, ok := ins.Source().(*btf.Line); ok {
			at = fmt.Sprintf("%s:%d", line.FileName(), line.LineNumber())
		}
		var c Call
		switch {
		case ins.IsKfuncCall():
			// The library puts -1 where it is going to put the number of the function
			// of that name. Any other number is the object's own, and no name goes with it.
			if c = (Call{Name: ins.Reference(), Kfunc: true}); ins.Constant != -1 || c.Name == "" {
				c.Name = fmt.Sprintf("function %d of the kernel", ins.Constant)
			}
			c.does = kfuncDoes(c.Name)
		case ins.IsBuiltinCall():
			c = helperCall(asm.BuiltinFunc(ins.Constant))
		default:
			continue
		}
		if c.At = at; !slices.ContainsFunc(calls, func(o Call) bool { return o.Name == c.Name }) {
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(a, b Call) int { return cmp.Compare(a.Name, b.Name) })
	return calls
}

func helperCall(f asm.BuiltinFunc) Call {
	switch change, ok := changingHelpers[f]; {
	case ok:
		return Call{Name: change.name, does: change.does}
	case f > lastHelper:
		return Call{Name: fmt.Sprintf("helper %d", f), does: doUnknown}
	}
	return Call{Name: helperName(f)}
}

// helperName is the kernel's name of a helper: bpf_get_current_pid_tgid for
// FnGetCurrentPidTgid.
func helperName(f asm.BuiltinFunc) string {
	var b strings.Builder
	b.WriteString("bpf")
	for _, r := range strings.TrimPrefix(f.String(), "Fn") {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

// powersOf returns what a program could do, by its type and by what it calls.
func powersOf(spec *ebpf.ProgramSpec, calls []Call) []Power {
	powers := typePowers(spec)
	for _, c := range calls {
		if c.does != "" {
			powers = append(powers, Power{Does: c.does, Call: c.Name, At: c.At})
		}
	}
	return powers
}
