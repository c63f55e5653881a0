late=0 watch=
trap late=1 USR1
trap : TERM
(umask "$mask"; main) >&3 2>&4 3>&- 4>&- </dev/null &
main=$!
exec 2>/dev/null
if [ "$limit" ]; then
    { trap - USR1 TERM; sleep "$limit" & s=$!; trap 'kill $s; exit' TERM; wait $s; kill -USR1 $$; } >/dev/null 3>&- 4>&- &
    watch=$!
fi
while :; do
    wait $main
    status=$?
    [ $late = 0 ] && kill -0 $main || break
done
if [ $late = 1 ]; then
    kill 0
    for i in 1 2 3 4 5; do kill -0 $main && sleep 1; done
    status=
elif [ "$watch" ]; then
    kill $watch
fi
[ ! "$f" ] || rm -f "$f"
n=$(wc -c <$o) m=$(wc -c <$e)
n=$((n)) m=$((m)) k=0 as=text
part() { if [ $k = 0 ] || [ $2 -le $((2*k)) ]; then cat $1; else head -c $k $1; tail -c $k $1; fi; }
body() { part $o $n; part $e $m; }
if [ $((n+m)) -gt 2300 ] || [ "$(body | LC_ALL=C tr -d '\11\12\40-\176' | head -c 1 | wc -c)" -gt 0 ]; then
    as=gzip
    for k in 16777216 1048576 262144 65536 16384 4096; do
        b=$(body | gzip | base64 | tr -d '\n' | head -c 23801)
        [ ${#b} -gt 23800 ] || break
    done
    [ "$b" ] || as=none
fi
echo "ec2-run: exit=$status late=$late stdout=$n stderr=$m ends=$k as=$as"
case $as in text) body;; gzip) echo "$b";; esac
if [ "$all" ] && [ $as != text ]; then
    echo "ec2-run: exit=$status late=$late stdout=$n stderr=$m ends=0 as=text"
    cat $o $e
fi
[ $late = 0 ] || kill -9 0
case $status in 137|168|194) exit 1;; esac
exit $status
