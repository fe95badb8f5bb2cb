;; The component of the unit tests. `testing.rs` replaces what stands in braces.
(component $guest
  (import "{imports}" (instance $host
    (type $qos' (enum "at-most-once" "at-least-once" "exactly-once"))
    (export "qos" (type $qos (eq $qos')))
    (type $status' (enum "online" "offline"))
    (export "connection-status" (type $status (eq $status')))
    (type $options' (record (field "qos" $qos) (field "retain" bool) (field "ttl-ms" u64)))
    (export "publish-options" (type $options (eq $options')))
    (type $error' (variant
      (case "invalid-topic" string) (case "invalid-qos" $qos) (case "invalid-ttl")
      (case "payload-too-large" u64) (case "not-permitted") (case "work-list-full")))
    (export "publish-error" (type $error (eq $error')))
    (export "publish" (func
      (param "topic" string) (param "payload" (list u8)) (param "options" (option $options))
      (result (result u64 (error $error)))))
    (export "status" (func (result $status)))
    (export "reconnect" (func))))

  ;; What WASI has to do with sleeping, printing and random numbers.
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer $guest $pollable (type $pollable'))
    (export "pollable" (type $pollable (eq $pollable')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer $guest $io-error (type $error'))
    (export "error" (type $error (eq $error')))
    (export "output-stream" (type $output-stream (sub resource)))
    (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]output-stream.write" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer $guest $output-stream (type $output-stream'))
    (export "output-stream" (type $output-stream (eq $output-stream')))
    (export "get-stderr" (func (result (own $output-stream))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:random/insecure@0.2.0" (instance $insecure
    (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))

  (core module $Memory
    (memory (export "memory") {pages})
    (data (i32.const 16) "t")
    (data (i32.const 32) "because")
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32)
      (param $size i32) (result i32)
      (global.set $free
        (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get $size)))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))

  (core func $publish (canon lower (func $host "publish") (memory $mem) (realloc $realloc)))
  (core func $status-now (canon lower (func $host "status")))
  (core func $reconnect (canon lower (func $host "reconnect")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll-all (canon lower (func $poll "poll") (memory $mem) (realloc $realloc)))
  (core func $get-random (canon lower (func $random "get-random-bytes")
    (memory $mem) (realloc $realloc)))
  (core func $get-insecure-random (canon lower (func $insecure "get-insecure-random-bytes")
    (memory $mem) (realloc $realloc)))
  (core func $write-at-once (canon lower
    (func $streams "[method]output-stream.write")
    (memory $mem)))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory $mem)))

  (core module $Main
    (import "memory" "memory" (memory 1))
    (import "host" "publish"
      (func $publish (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "host" "status" (func $status (result i32)))
    (import "host" "reconnect" (func $reconnect))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "poll-all" (func $poll-all (param i32 i32 i32)))
    (import "host" "get-random" (func $get-random (param i64 i32)))
    (import "host" "get-insecure-random" (func $get-insecure-random (param i64 i32)))
    (import "host" "write-at-once" (func $write-at-once (param i32 i32 i32 i32)))
    (import "host" "get-stderr" (func $get-stderr (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (global $calls (mut i32) (i32.const 0))
    (func $post (param $byte i32)
      (i32.store8 (i32.const 128) (local.get $byte))
      (call $publish
        (i32.const 16) (i32.const 1) (i32.const 128) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)
        (i32.const 192)))
    (func $sleep (param $nanoseconds i64)
      (call $block (call $subscribe (local.get $nanoseconds))))
    ;; Polls a list that names one timer `count` times.
    (func $poll (param $count i32)
      (local $timer i32) (local $place i32)
      (local.set $timer (call $subscribe (i64.const 0)))
      (loop $again
        (i32.store (i32.add (i32.const 1024) (local.get $place)) (local.get $timer))
        (local.set $place (i32.add (local.get $place) (i32.const 4)))
        (br_if $again (i32.lt_u (local.get $place) (i32.shl (local.get $count) (i32.const 2)))))
      (call $poll-all (i32.const 1024) (local.get $count) (i32.const 192)))
    (func $print-at-once (param $text i32) (param $length i32)
      (call $write-at-once
        (call $get-stderr) (local.get $text) (local.get $length) (i32.const 192)))
    (func $print (param $text i32) (param $length i32)
      (call $write (call $get-stderr) (local.get $text) (local.get $length) (i32.const 192)))
    (func $start {start})
    (start $start)
    (func (export "connection") (param $status i32) {connection})
    (func (export "subscription")
      (param $status i32) (param $filter i32) (param $filter-len i32) {subscription})
    (func (export "message")
      (param $topic i32) (param $topic-len i32) (param $payload i32) (param $payload-len i32)
      (param $qos i32) (param $retained i32) (param $duplicate i32) (result i32) {message})
    (func (export "outcome") (param $ticket i64) (param $outcome i32) {outcome})
    (func (export "last-will") (result i32) {last-will})
    {more})
  (core instance $main (instantiate $Main
    (with "memory" (instance $memory))
    (with "host" (instance
      (export "publish" (func $publish))
      (export "status" (func $status-now))
      (export "reconnect" (func $reconnect))
      (export "subscribe" (func $subscribe))
      (export "block" (func $block))
      (export "poll-all" (func $poll-all))
      (export "get-random" (func $get-random))
      (export "get-insecure-random" (func $get-insecure-random))
      (export "write-at-once" (func $write-at-once))
      (export "get-stderr" (func $get-stderr))
      (export "write" (func $write))))))

  (type $qos' (enum "at-most-once" "at-least-once" "exactly-once"))
  (export $qos "qos" (type $qos'))
  (type $status' (enum "online" "offline"))
  (export $status "connection-status" (type $status'))
  (type $subscription' (enum "subscribed" "refused"))
  (export $subscription "subscription-status" (type $subscription'))
  (type $message' (record
    (field "topic" string) (field "payload" (list u8)) (field "qos" $qos)
    (field "retained" bool) (field "duplicate" bool)))
  (export $message "incoming-message" (type $message'))
  (type $verdict' (variant (case "reject" string) (case "retry" string)))
  (export $verdict "verdict" (type $verdict'))
  (type $outcome' (enum "delivered" "expired" "displaced" "refused"))
  (export $outcome "letter-outcome" (type $outcome'))

  (func $do-connection {connection-type}
    (canon lift (core func $main "connection")))
  (func $do-subscription (param "status" $subscription) (param "topic-filter" string)
    (canon lift (core func $main "subscription") (memory $mem) (realloc $realloc)))
  (func $do-message (param "message" $message) (result (result (error $verdict)))
    (canon lift (core func $main "message") (memory $mem) (realloc $realloc)))
  (func $do-outcome (param "ticket" u64) (param "outcome" $outcome)
    (canon lift (core func $main "outcome")))
  (instance $handler
    (export "connection" (func $do-connection))
    (export "subscription" (func $do-subscription))
    (export "message" (func $do-message))
    (export "outcome" (func $do-outcome)))
  (export "{handler}" (instance $handler))
  {will})
