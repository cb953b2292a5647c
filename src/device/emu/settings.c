/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Settings of the emulated NPU. Values are collected by key first, so that
 * their order does not matter: cost= names a model, other keys change it.
 */
#include "device/emu/settings.h"

#include <stddef.h>
#include <string.h>

/* Published figures for Phoenix, an NPU of AMD; see docs/devices.md. */
#define PUBLISHED_LAUNCH_US 40.0
#define PUBLISHED_MBPS 26000.0
#define PUBLISHED_BF16_GOPS 3140.0
#define PUBLISHED_INT8_GOPS 6760.0

/* Long, since a list also takes as long as this machine computes. */
#define TIMEOUT_MS 30000

/* More of anything is a mistake in somebody's arithmetic, and would not fit a
 * double's 53 bits. */
#define NUMBER_MAX 1e12

typedef enum
{
  KEY_COST,
  KEY_LAUNCH_US,
  KEY_TO_DEVICE_MBPS,
  KEY_FROM_DEVICE_MBPS,
  KEY_GOPS,
  KEY_TIME,
  KEY_FAULT,
  KEY_FAULT_AT,
  KEY_FAULT_COUNT,
  KEY_FAULT_BYTE,
  KEY_SLOW_US,
  KEY_TIMEOUT_MS,
  KEYS
} Key;

static const char *const key_names[KEYS + 1] = {
  [KEY_COST] = "cost",
  [KEY_LAUNCH_US] = "launch-us",
  [KEY_TO_DEVICE_MBPS] = "to-device-mbps",
  [KEY_FROM_DEVICE_MBPS] = "from-device-mbps",
  [KEY_GOPS] = "gops",
  [KEY_TIME] = "time",
  [KEY_FAULT] = "fault",
  [KEY_FAULT_AT] = "fault-at",
  [KEY_FAULT_COUNT] = "fault-count",
  [KEY_FAULT_BYTE] = "fault-byte",
  [KEY_SLOW_US] = "slow-us",
  [KEY_TIMEOUT_MS] = "timeout-ms",
  [KEYS] = NULL
};

#define ALL_KEYS "cost, launch-us, to-device-mbps, from-device-mbps, gops, " \
    "time, fault, fault-at, fault-count, fault-byte, slow-us, timeout-ms"

/* A part of the settings' text; NULL where a key was not given. */
typedef struct
{
  const char *text;
  size_t length;
} Value;

static bool
value_is (const Value * value, const char *word)
{
  return value->length == strlen (word)
      && memcmp (value->text, word, value->length) == 0;
}

/* Finds one of @words, a NULL-terminated list; -1 if it is none of them. */
static int
find_word (const Value * value, const char *const *words)
{
  for (int i = 0; words[i]; i++)
    if (value_is (value, words[i]))
      return i;
  return -1;
}

static NpuStatus
refuse (Key key, const Value * value, const char *allowed, NpuError * error)
{
  return npu_error_set (error, NPU_EINVAL, "emulated NPU: %s=%.*s: the value "
      "must be %s", key_names[key],
      (int) (value->length < 64 ? value->length : 64), value->text, allowed);
}

static NpuStatus
collect_value (const char *text, size_t length, Value * values,
    NpuError * error)
{
  const char *equals = memchr (text, '=', length);
  Value key = { text, equals ? (size_t) (equals - text) : length };
  int found = find_word (&key, key_names);

  if (!equals || found < 0)
    return npu_error_set (error, NPU_EINVAL, "emulated NPU: setting \"%.*s\" "
        "is not KEY=VALUE with one of these keys: " ALL_KEYS,
        (int) (length < 64 ? length : 64), text);
  if (values[found].text)
    return npu_error_set (error, NPU_EINVAL, "emulated NPU: %s is given twice; "
        "leave one out", key_names[found]);
  values[found] = (Value) { equals + 1, length - key.length - 1 };
  return NPU_OK;
}

static NpuStatus
collect_values (const char *text, Value * values, NpuError * error)
{
  NpuStatus status = NPU_OK;

  while (status == NPU_OK) {
    size_t length = strcspn (text, ",");

    status = collect_value (text, length, values, error);
    if (!text[length])
      break;
    text += length + 1;
  }
  return status;
}

/* Digits with at most one point; strtod() would ask the locale. */
static bool
parse_number (const Value * value, double *number)
{
  double scale = 0.0, sum = 0.0;
  size_t digits = 0;

  for (size_t i = 0; i < value->length; i++) {
    char c = value->text[i];

    if (c == '.' && scale == 0.0) {
      scale = 1.0;
    } else if (c >= '0' && c <= '9') {
      sum = sum * 10.0 + (c - '0');
      scale *= 10.0;
      digits++;
    } else {
      return false;
    }
  }
  *number = scale > 0.0 ? sum / scale : sum;
  return digits > 0 && digits <= 15 && *number <= NUMBER_MAX;
}

static NpuStatus
read_number (const Value * values, Key key, double *number, NpuError * error)
{
  if (!values[key].text || parse_number (&values[key], number))
    return NPU_OK;
  return refuse (key, &values[key],
      "a number from 0 to 1e12, written like 40 or 2.5", error);
}

static NpuStatus
read_count (const Value * values, Key key, double least, uint64_t * count,
    NpuError * error)
{
  double number;

  if (!values[key].text)
    return NPU_OK;
  if (!parse_number (&values[key], &number) || number < least
      || number != (double) (uint64_t) number)
    return refuse (key, &values[key], least > 0.0
        ? "a whole number from 1 on" : "a whole number from 0 on", error);
  *count = (uint64_t) number;
  return NPU_OK;
}

static NpuStatus
read_cost (const Value * values, NpuEmuSettings * settings, NpuError * error)
{
  static const char *const names[] = { "none", "published", NULL };
  NpuEmuCost *cost = &settings->cost;
  const Value *name = &values[KEY_COST];
  int found = name->text ? find_word (name, names) : 0;
  NpuStatus status;

  if (found < 0)
    return refuse (KEY_COST, name, "none or published", error);
  if (found == 1)
    *cost = (NpuEmuCost) {
      .launch_us = PUBLISHED_LAUNCH_US,
      .to_device_mbps = PUBLISHED_MBPS,
      .from_device_mbps = PUBLISHED_MBPS,
      .bf16_gops = PUBLISHED_BF16_GOPS,
      .int8_gops = PUBLISHED_INT8_GOPS,
    };
  settings->cost_name = found == 1 ? "published costs" : "no costs";
  if (values[KEY_LAUNCH_US].text || values[KEY_TO_DEVICE_MBPS].text
      || values[KEY_FROM_DEVICE_MBPS].text || values[KEY_GOPS].text)
    settings->cost_name = found == 1 ? "published costs with changes"
        : "costs as set";
  if ((status = read_number (values, KEY_LAUNCH_US, &cost->launch_us,
              error)) != NPU_OK
      || (status = read_number (values, KEY_TO_DEVICE_MBPS,
              &cost->to_device_mbps, error)) != NPU_OK
      || (status = read_number (values, KEY_FROM_DEVICE_MBPS,
              &cost->from_device_mbps, error)) != NPU_OK
      || (status = read_number (values, KEY_GOPS, &cost->bf16_gops,
              error)) != NPU_OK)
    return status;
  if (values[KEY_GOPS].text)
    cost->int8_gops = cost->bf16_gops;
  return NPU_OK;
}

static NpuStatus
read_time (const Value * values, NpuEmuSettings * settings, NpuError * error)
{
  const Value *value = &values[KEY_TIME];

  if (value->text && !value_is (value, "real") && !value_is (value, "virtual"))
    return refuse (KEY_TIME, value, "real or virtual", error);
  settings->virtual_time = value->text && value_is (value, "virtual");
  return NPU_OK;
}

static NpuStatus
read_fault (const Value * values, NpuEmuSettings * settings, NpuError * error)
{
  static const char *const names[] = {
    [NPU_EMU_FAULT_NONE] = "none",
    [NPU_EMU_FAULT_HANG] = "hang",
    [NPU_EMU_FAULT_ERROR] = "error",
    [NPU_EMU_FAULT_LOST] = "lost",
    [NPU_EMU_FAULT_OOM] = "oom",
    [NPU_EMU_FAULT_CORRUPT] = "corrupt",
    [NPU_EMU_FAULT_SLOW] = "slow",
    NULL
  };
  const Value *value = &values[KEY_FAULT];
  int found = value->text ? find_word (value, names) : NPU_EMU_FAULT_NONE;
  NpuStatus status;

  if (found < 0)
    return refuse (KEY_FAULT, value,
        "none, hang, error, lost, oom, corrupt or slow", error);
  if (found == NPU_EMU_FAULT_NONE && (values[KEY_FAULT_AT].text
          || values[KEY_FAULT_COUNT].text))
    return npu_error_set (error, NPU_EINVAL, "emulated NPU: fault-at and "
        "fault-count need a fault; add fault=hang, for one");
  if (found != NPU_EMU_FAULT_CORRUPT && values[KEY_FAULT_BYTE].text)
    return npu_error_set (error, NPU_EINVAL, "emulated NPU: fault-byte is for "
        "fault=corrupt only; leave it out");
  if ((found == NPU_EMU_FAULT_SLOW) != (values[KEY_SLOW_US].text != NULL))
    return npu_error_set (error, NPU_EINVAL, "emulated NPU: fault=slow and "
        "slow-us need each other");
  settings->fault = (NpuEmuFault) found;
  settings->fault_at = settings->fault_count = 1;
  status = read_count (values, KEY_FAULT_AT, 1.0, &settings->fault_at, error);
  if (status == NPU_OK)
    status = read_count (values, KEY_FAULT_COUNT, 1.0, &settings->fault_count,
        error);
  if (status == NPU_OK)
    status = read_count (values, KEY_FAULT_BYTE, 0.0, &settings->fault_byte,
        error);
  if (status == NPU_OK)
    status = read_number (values, KEY_SLOW_US, &settings->slow_us, error);
  return status;
}

NpuStatus
npu_emu_settings_parse (const char *text, NpuEmuSettings * settings,
    NpuError * error)
{
  Value values[KEYS] = { {NULL, 0} };
  NpuStatus status = NPU_OK;

  memset (settings, 0, sizeof (*settings));
  if (text && *text)
    status = collect_values (text, values, error);
  if (status == NPU_OK)
    status = read_cost (values, settings, error);
  if (status == NPU_OK)
    status = read_time (values, settings, error);
  if (status == NPU_OK)
    status = read_fault (values, settings, error);
  settings->timeout_ms = TIMEOUT_MS;
  if (status == NPU_OK)
    status = read_count (values, KEY_TIMEOUT_MS, 1.0, &settings->timeout_ms,
        error);
  return status;
}
