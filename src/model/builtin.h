/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of embedded files that embed-model.py generates. Private to
 * src/model.
 */
#ifndef NPU_MODEL_BUILTIN_H
#define NPU_MODEL_BUILTIN_H

#include <stddef.h>
#include <stdint.h>

typedef struct
{
  const char *name;
  const uint8_t *data;
  const uint8_t *end;
} NpuBuiltinFile;

extern const char npu_builtin_name[];   /* "" when nothing is embedded */
extern const size_t npu_builtin_file_count;
extern const NpuBuiltinFile npu_builtin_files[];

#endif
