/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Settings of the emulated NPU: its cost model, whether time is real or
 * virtual, and the fault that it has. docs/devices.md describes every key.
 */
#ifndef NPU_DEVICE_EMU_SETTINGS_H
#define NPU_DEVICE_EMU_SETTINGS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum
{
  NPU_EMU_FAULT_NONE,
  NPU_EMU_FAULT_HANG,           /* the list never ends */
  NPU_EMU_FAULT_ERROR,          /* the list ends with NPU_EDEVICE */
  NPU_EMU_FAULT_LOST,           /* the device is gone from this list on */
  NPU_EMU_FAULT_OOM,            /* no buffer can be created */
  NPU_EMU_FAULT_CORRUPT,        /* a bit of the list's output is wrong */
  NPU_EMU_FAULT_SLOW,           /* the list costs more */
} NpuEmuFault;

/* A rate or time of 0 costs nothing. */
typedef struct
{
  double launch_us;             /* a list */
  double to_device_mbps;        /* 10^6 bytes a second */
  double from_device_mbps;
  double bf16_gops;             /* 10^9 operations a second */
  double int8_gops;
} NpuEmuCost;

typedef struct
{
  NpuEmuCost cost;
  const char *cost_name;        /* for people: where the cost comes from */
  bool virtual_time;
  NpuEmuFault fault;
  uint64_t fault_at;            /* the first that has it, counting from 1 */
  uint64_t fault_count;         /* how many have it */
  uint64_t fault_byte;          /* whose bit is flipped */
  double slow_us;               /* how much more a slow list costs */
  uint64_t timeout_ms;          /* a list that runs longer hangs */
} NpuEmuSettings;

/**
 * npu_emu_settings_parse:
 * Read "key=value,key=value" into @settings.
 *
 * @text  NULL or empty for the defaults: no cost, real time, no fault
 *
 * Returns NPU_OK, or NPU_EINVAL with a message that says what may stand there.
 * Any thread; does not depend on the locale.
 */
NpuStatus npu_emu_settings_parse (const char *text, NpuEmuSettings * settings,
    NpuError * error);

#endif
