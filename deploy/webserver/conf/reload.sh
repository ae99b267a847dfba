# after_flip for Apache without mod_lua, as {reload}.
# Requests that run end on the side that they began on; PHP's opcode cache starts empty.
set -e
echo "Define pushtrain_side $PUSHTRAIN_SIDE" >{side}.new
mv {side}.new {side}
apachectl graceful
