/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The numbers of a model: their names in both file formats, their limits, and
 * what must hold between them. Private to src/model.
 */
#ifndef NPU_MODEL_MODEL_CONFIG_H
#define NPU_MODEL_MODEL_CONFIG_H

#include "model/model-file.h"

typedef struct
{
  const char *ggml_name;        /* in whisper.cpp; NULL where ggml has none */
  const char *json_key;         /* in config.json */
  uint32_t min;
  uint32_t max;
  size_t offset;                /* of the uint32_t in NpuModelConfig */
} NpuConfigField;

/* In the order of ggml's header; those without a name there come last. */
#define NPU_CONFIG_FIELDS 12
#define NPU_CONFIG_GGML_FIELDS 10
extern const NpuConfigField npu_config_fields[NPU_CONFIG_FIELDS];

/**
 * npu_config_set_field:
 * Store @value if it is within the field's limits. @name is the field's name
 * in the file at hand, for the message.
 *
 * Returns NPU_OK, or NPU_EFORMAT.
 */
NpuStatus npu_config_set_field (NpuModelConfig * config,
    const NpuConfigField * field, const char *name, int64_t value,
    NpuError * error);

/**
 * npu_config_finish:
 * Check what must hold between the fields and derive the head size.
 *
 * Returns NPU_OK, NPU_EFORMAT or NPU_ENOTSUP.
 */
NpuStatus npu_config_finish (NpuModelConfig * config, NpuError * error);

/**
 * npu_config_published_heads:
 * Returns the alignment heads of the published Whisper model of this shape,
 * for files that cannot name them, or NULL where the shape tells none apart
 * (large-v1 and large-v2 look the same). Static.
 */
const NpuAlignmentHead *npu_config_published_heads (const NpuModelConfig *
    config, size_t *count);

#endif
