<?php
// In place of incpath, as {prepend}: an include_path that names
// the link names the request's side instead. PHP remembers for long where a path led,
// so one that names the link leads to the side that it was on first.
// A program at the shell keeps the side that it began with.
set_include_path(str_replace('{root}/current', ($_SERVER['DOCUMENT_ROOT'] ?? '') ?: realpath('{root}/current'), get_include_path()));
