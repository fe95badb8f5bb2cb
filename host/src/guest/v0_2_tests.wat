;; A guest of the contract 0.2, for `v0_2_tests.rs`, which replaces what stands in
;; braces.
(component
  (import "jackalope:gateway/types@0.2.0" (instance $types
    (type $qos' (enum "at-most-once" "at-least-once" "exactly-once"))
    (export "qos" (type $qos (eq $qos')))
    (type $status' (enum "online" "offline"))
    (export "connection-status" (type (eq $status')))
    (type $pairs (list (tuple string string)))
    (type $properties' (record
      (field "content-type" (option string)) (field "response-topic" (option string))
      (field "correlation-data" (option (list u8))) (field "user-properties" $pairs)))
    (export "properties" (type (eq $properties')))))
  (alias export $types "qos" (type $qos))
  (alias export $types "connection-status" (type $status))
  (alias export $types "properties" (type $properties))
  (import "jackalope:gateway/jackalope@0.2.0" (instance $host
    (alias outer 1 $qos (type $qos'))
    (export "qos" (type $qos (eq $qos')))
    (alias outer 1 $properties (type $properties'))
    (export "properties" (type $properties (eq $properties')))
    (type $options' (record
      (field "qos" $qos) (field "retain" bool) (field "ttl-ms" u64)
      (field "tag" (option string)) (field "properties" (option $properties))))
    (export "publish-options" (type $options (eq $options')))
    (type $error' (variant
      (case "invalid-topic" string) (case "invalid-qos" $qos) (case "invalid-ttl")
      (case "tag-too-long" u32) (case "invalid-property" string) (case "needs-mqtt5")
      (case "payload-too-large" u64) (case "not-permitted" string) (case "work-list-full")))
    (export "publish-error" (type $error (eq $error')))
    (export "publish" (func
      (param "topic" string) (param "payload" (list u8)) (param "options" (option $options))
      (result (result u64 (error $error)))))))

  (core module $Memory
    (memory (export "memory") 3)
    (data (i32.const 0) "tptag\01\02#\00")
    ;; A user property: "tag" and "t".
    (data (i32.const 32) "\02\00\00\00\03\00\00\00\00\00\00\00\01\00\00\00")
    (data (i32.const 512) "{fields}")
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (global.set $free
        (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get $size)))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $publish (canon lower (func $host "publish") (memory $mem) (realloc $realloc)))

  (core module $Main
    (import "memory" "memory" (memory 1))
    (import "host" "publish" (func $publish (param i32 i32)))
    ;; Publishes these bytes to `t`, without options.
    (func $post (param $at i32) (param $len i32)
      (i32.store (i32.const 1024) (i32.const 0))
      (i32.store (i32.const 1028) (i32.const 1))
      (i32.store (i32.const 1032) (local.get $at))
      (i32.store (i32.const 1036) (local.get $len))
      (i32.store (i32.const 1040) (i32.const 0))
      (call $publish (i32.const 1024) (i32.const 1280)))
    (func (export "connection") (param i32)
      (call $publish (i32.const 512) (i32.const 256))
      (call $post (i32.const 256) (i32.const 24)))
    ;; The record lies in memory: it has more than 16 fields.
    (func (export "message") (param $at i32) (result i32)
      (local $pair i32)
      (call $post (i32.load offset=20 (local.get $at)) (i32.load offset=24 (local.get $at)))
      (local.set $pair (i32.load offset=28 (local.get $at)))
      (call $post (i32.load (local.get $pair)) (i32.load offset=4 (local.get $pair)))
      (call $post (i32.load offset=8 (local.get $pair)) (i32.load offset=12 (local.get $pair)))
      (call $post (i32.load offset=44 (local.get $at)) (i32.load offset=48 (local.get $at)))
      (call $post (i32.add (local.get $at) (i32.const 96)) (i32.const 8))
      (call $post (i32.add (local.get $at) (i32.const 104)) (i32.const 1))
      (i32.store8 (i32.const 1536) (i32.const 0))
      (i32.const 1536))
    (func (export "outcome") (param $at i32) (param $count i32)
      (call $post (local.get $at) (i32.mul (local.get $count) (i32.const 24)))))
  (core instance $main (instantiate $Main
    (with "memory" (instance $memory))
    (with "host" (instance (export "publish" (func $publish))))))

  (type $origin' (enum "broker" "gateway"))
  (export $origin "origin" (type $origin'))
  (type $message' (record
    (field "topic" string) (field "payload" (list u8)) (field "qos" $qos)
    (field "retained" bool) (field "duplicate" bool) (field "subscription" string)
    (field "levels" (list (tuple string string))) (field "properties" (option $properties))
    (field "expires-in-ms" (option u64)) (field "origin" $origin)))
  (export $message "incoming-message" (type $message'))
  (type $verdict' (variant (case "reject" string) (case "retry" string)))
  (export $verdict "verdict" (type $verdict'))
  (type $refusal' (enum "too-large" "qos" "retain" "needs-mqtt5" "not-authorized" "topic"
    "payload" "hangs-up" "unspecified"))
  (export $refusal "refusal" (type $refusal'))
  (type $fate' (variant (case "delivered") (case "expired" bool) (case "displaced" bool)
    (case "refused" $refusal)))
  (export $fate "fate" (type $fate'))
  (type $outcome' (record (field "ticket" u64) (field "tag" (option string)) (field "fate" $fate)))
  (export $outcome "letter-outcome" (type $outcome'))

  (func $do-connection (param "status" $status) (canon lift (core func $main "connection")))
  (func $do-message (param "message" $message) (result (result (error $verdict)))
    (canon lift (core func $main "message") (memory $mem) (realloc $realloc)))
  (func $do-outcome (param "outcomes" (list $outcome))
    (canon lift (core func $main "outcome") (memory $mem) (realloc $realloc)))
  (instance $handler
    (export "connection" (func $do-connection))
    (export "message" (func $do-message)))
  (export "jackalope:gateway/handler@0.2.0" (instance $handler))
  (instance $outcomes (export "outcome" (func $do-outcome)))
  (export "jackalope:gateway/outcomes@0.2.0" (instance $outcomes)))
