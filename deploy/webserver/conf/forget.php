<?php
// before_flip, as {forget}: the opcode cache forgets the scripts that were changed on
// the side that is about to go live, and keeps the others. PHP would see them by itself, at the
// first request after the flip; but when two requests see it at the same instant, one
// may get the old code: what the other has just discarded passes for never to be checked.
$idle = '{root}/' . (basename(readlink('{root}/current')) === 'yin' ? 'yang' : 'yin') . '/';
$forgotten = 0;
foreach (opcache_get_status(true)['scripts'] ?? [] as $path => $script) {
    $time = $script['timestamp'] ?? null; // 0 = it is forgotten
    if ($time !== 0 && str_starts_with($path, $idle) && is_file($path) && filemtime($path) !== $time) {
        $forgotten += opcache_invalidate($path, true) ? 1 : 0;
    }
}
echo "$forgotten changed scripts forgotten\n";
