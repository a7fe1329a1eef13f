package main

import "github.com/spf13/cobra"

// filterTopic is the help topic filter.
func filterTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "filter",
		Short: "The language of --filter",
		Long: `A filter is an expression over the fields of an event; only events for which it is
true are shown. gadget run IMAGE --help lists the fields.

  proc.comm == "nginx"                     text, and numbers: == != < <= > >=
  error != "" && proc.comm != "ldconfig"   and, or, not: && || !
  proc.comm in ["sh", "bash"]              one of several
  proc.pid in 1000..2000                   a range
  fname startsWith "/etc/"                 startsWith, endsWith, contains
  fname matches "\\.so(\\.[0-9]+)*$"        a regular expression (RE2)
  len(fname) > 100                         the length of a text
  cidr(dst.addr, "10.0.0.0/8")             an address in a network
  latency > "1ms" && size >= "4KiB"        durations and sizes, as they are shown
  error_raw == 13                          the number behind a name: FIELD_raw

A field that is shown as a name (error, flags, user) is text; its neighbour with _raw
at the end is the number. Several --filter must all be true. A value @FILE is read
from that file.

The short form FIELD OP VALUE[,FIELD OP VALUE…] works too, without quotes:

  proc.comm=nginx,error_raw!=0             = == != > >= < <=
  fname~^/etc/                             ~ and !~ with a regular expression

Types and names are checked before anything runs; a mistake is shown in its place.`,
	}
}
