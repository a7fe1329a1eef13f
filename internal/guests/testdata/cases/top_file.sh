# A file is written in one go, and copied in one go.
start top_file --comm dd
dd if=/dev/zero of=/tmp/from bs=3000 count=1 2>/dev/null
dd if=/tmp/from of=/tmp/to bs=2500 count=1 2>/dev/null
expect '"file":"/tmp/from",.*"rbytes_raw":0,"reads":0,.*"t":"R",.*"wbytes_raw":3000,"writes":1}' \
	'"file":"/tmp/from",.*"rbytes_raw":2500,"reads":1,.*"t":"R",.*"wbytes_raw":0,"writes":0}' \
	'"file":"/tmp/to",.*"comm":"dd",.*"rbytes_raw":0,"reads":0,.*"wbytes_raw":2500,"writes":1}'
grep -q '"t":"[SO]"' /tmp/out && missing="$missing only regular files"
verdict $1
