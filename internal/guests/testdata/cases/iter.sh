# cases: iter iter_sleepable
# A snapshot has the shell that runs this case.
collect tasks
expect "\"pid\":$$,"
verdict iter
collect iter_sleepable
expect "\"pid\":$$}"
verdict iter_sleepable
