// A sensor: it takes what a probe measures, publishes it whenever its timer is due, and
// raises an alarm above a threshold.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/sensor.h"

// An alarm is worth nothing later, as the next one is due by then.
#define ALARM_TTL_MS 5000

static char topic[256];
static double threshold;

// Where the value of a key begins, in the JSON of flat settings such as these. For more
// than that take a library, cJSON for one.
static const char *find(const char *json, const char *key) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *found = strstr(json, quoted);
  return found ? found + strlen(quoted) : NULL;
}

// Whether a text is a number, and which.
static bool number(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  bool is_decimal = strspn(text, "0123456789+-.eE") == strlen(text) && strcspn(text, "+.") > 0;
  return is_decimal && end != text && *end == '\0' && isfinite(*value);
}

// What was written down, as a text; false if there is nothing.
static bool read_state(char *key, char *text, size_t size) {
  sensor_string_t name;
  sensor_list_u8_t value;
  sensor_string_set(&name, key);
  if (!jackalope_gateway_state_get(&name, &value)) return false;
  snprintf(text, size, "%.*s", (int)value.len, (char *)value.ptr);
  sensor_list_u8_free(&value);
  return true;
}

static void write_state(char *key, char *text) {
  sensor_string_t name;
  sensor_list_u8_t value = {(uint8_t *)text, strlen(text)};
  jackalope_gateway_state_state_error_t error;
  sensor_string_set(&name, key);
  if (!jackalope_gateway_state_set(&name, &value, &error)) abort();
}

static void send(char *to, char *text, jackalope_gateway_jackalope_publish_options_t *options) {
  sensor_string_t name;
  sensor_list_u8_t payload = {(uint8_t *)text, strlen(text)};
  jackalope_gateway_jackalope_ticket_t ticket;
  jackalope_gateway_jackalope_publish_error_t error;
  sensor_string_set(&name, to);
  if (!jackalope_gateway_jackalope_publish(&name, &payload, options, &ticket, &error)) {
    fprintf(stderr, "%s is not accepted: %d\n", to, error.tag);
    jackalope_gateway_jackalope_publish_error_free(&error);
  }
}

bool exports_jackalope_gateway_configure_configure(sensor_string_t *error) {
  char json[1024];
  sensor_string_t given;
  jackalope_gateway_settings_get(&given);
  snprintf(json, sizeof json, "%.*s", (int)given.len, (char *)given.ptr);
  sensor_string_free(&given);

  // An error is freed by whoever gets it: hence the copies.
  const char *value = find(json, "topic");
  if (!value || sscanf(value, "\"%200[^\"]\"", topic) != 1) {
    sensor_string_dup(error, "settings.topic is missing: name a topic");
    return false;
  }
  value = find(json, "threshold");
  if (!value || sscanf(value, "%lf", &threshold) != 1) {
    sensor_string_dup(error, "settings.threshold is not a number");
    return false;
  }
  return true;
}

bool exports_jackalope_gateway_handler_message(
    exports_jackalope_gateway_handler_incoming_message_t *message,
    exports_jackalope_gateway_handler_verdict_t *verdict) {
  char text[64];
  double value;
  int length = snprintf(text, sizeof text, "%.*s", (int)message->payload.len,
                        (char *)message->payload.ptr);
  // What is handed over is the guest's to free.
  exports_jackalope_gateway_handler_incoming_message_free(message);
  if (length >= (int)sizeof text || !number(text, &value)) {
    verdict->tag = EXPORTS_JACKALOPE_GATEWAY_HANDLER_VERDICT_REJECT;
    sensor_string_dup(&verdict->val.reject, "the value is not a number");
    return false;
  }
  snprintf(text, sizeof text, "%.15g", value);
  write_state("value", text);
  return true;
}

void exports_jackalope_gateway_handler_connection(
    exports_jackalope_gateway_handler_connection_status_t status) {
  (void)status;
}

void exports_jackalope_gateway_timer_handler_timer(
    exports_jackalope_gateway_timer_handler_due_timer_t *due) {
  char value[64], count[32], reading[160];
  exports_jackalope_gateway_timer_handler_due_timer_free(due);
  if (!read_state("value", value, sizeof value)) return;  // Nothing was measured yet.
  if (!read_state("count", count, sizeof count)) strcpy(count, "0");
  snprintf(count, sizeof count, "%lu", strtoul(count, NULL, 10) + 1);
  write_state("count", count);

  snprintf(reading, sizeof reading, "{\"value\":%s,\"count\":%s}", value, count);
  send(topic, reading, NULL);
  if (strtod(value, NULL) > threshold) {
    char to[sizeof topic + sizeof "/alarm"];
    jackalope_gateway_jackalope_publish_options_t options = {
        .qos = JACKALOPE_GATEWAY_TYPES_QOS_AT_LEAST_ONCE,
        .ttl_ms = ALARM_TTL_MS,
        .priority = JACKALOPE_GATEWAY_JACKALOPE_PRIORITY_HIGH,
    };
    snprintf(to, sizeof to, "%s/alarm", topic);
    snprintf(reading, sizeof reading, "{\"value\":%s}", value);
    send(to, reading, &options);
  }
}
