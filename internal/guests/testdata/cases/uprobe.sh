# cases: uprobe uretprobe uprobe.multi usdt
# Functions and probes of programs, one of which runs already.
sale='"amount":7,"customer":4886718345,.*"comm":"till"'
for type in uprobe uretprobe uprobe.multi usdt; do
	# It sells for twenty seconds only.
	/bin/till-pie &
	pie=$!
	start $type
	/bin/till &
	till=$!
	case $type in
	uprobe)
		gadget version >/dev/null
		expect "$sale" '"amount":-1,.*"comm":"gadget"'
		;;
	uretprobe) expect '"amount":14,.*"comm":"till"' ;;
	uprobe.multi) expect '"amount":7,.*"comm":"till"' '"amount":3,.*"comm":"till"' ;;
	usdt) expect "$sale" '"amount":7,"customer":4886718345,.*"comm":"till-pie"' ;;
	esac
	kill $till $pie 2>/dev/null
	verdict $type
done
