# A snapshot has the shell that runs this case.
collect tasks
expect "\"pid\":$$,"
verdict $1
