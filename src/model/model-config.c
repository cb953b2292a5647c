/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Limits and consistency of a model's numbers, and what is known of the
 * published models by their shapes.
 */
#include "model/model-config.h"

#include <stddef.h>

#define FIELD(ggml, json, min, max, member) \
  { ggml, json, min, max, offsetof (NpuModelConfig, member) }

const NpuConfigField npu_config_fields[NPU_CONFIG_FIELDS] = {
  FIELD ("n_vocab", "vocab_size", 8, NPU_MODEL_MAX_VOCABULARY, vocabulary),
  FIELD ("n_audio_ctx", "max_source_positions", 1,
      NPU_MODEL_MAX_AUDIO_CONTEXT, audio_context),
  FIELD ("n_audio_state", "d_model", NPU_MODEL_HEAD_SIZE_STEP,
      NPU_MODEL_MAX_WIDTH, audio_width),
  FIELD ("n_audio_head", "encoder_attention_heads", 1, NPU_MODEL_MAX_HEADS,
      audio_heads),
  FIELD ("n_audio_layer", "encoder_layers", 1, NPU_MODEL_MAX_LAYERS,
      audio_layers),
  FIELD ("n_text_ctx", "max_target_positions", 4, NPU_MODEL_MAX_TEXT_CONTEXT,
      text_context),
  FIELD ("n_text_state", "d_model", NPU_MODEL_HEAD_SIZE_STEP,
      NPU_MODEL_MAX_WIDTH, text_width),
  FIELD ("n_text_head", "decoder_attention_heads", 1, NPU_MODEL_MAX_HEADS,
      text_heads),
  FIELD ("n_text_layer", "decoder_layers", 1, NPU_MODEL_MAX_LAYERS,
      text_layers),
  FIELD ("n_mels", "num_mel_bins", 1, 1024, bands),
  FIELD (NULL, "encoder_ffn_dim", NPU_MODEL_HEAD_SIZE_STEP,
      NPU_MODEL_MAX_FEED_FORWARD, audio_feed_forward),
  FIELD (NULL, "decoder_ffn_dim", NPU_MODEL_HEAD_SIZE_STEP,
      NPU_MODEL_MAX_FEED_FORWARD, text_feed_forward),
};

NpuStatus
npu_config_set_field (NpuModelConfig * config, const NpuConfigField * field,
    const char *name, int64_t value, NpuError * error)
{
  if (value < field->min || value > field->max)
    return npu_error_set (error, NPU_EFORMAT, "%s is %lld, it must be %u to "
        "%u; download the model again", name, (long long) value, field->min,
        field->max);
  *(uint32_t *) ((char *) config + field->offset) = (uint32_t) value;
  return NPU_OK;
}

NpuStatus
npu_config_finish (NpuModelConfig * config, NpuError * error)
{
  if (config->bands != 80 && config->bands != 128)
    return npu_error_set (error, NPU_ENOTSUP, "a front end of %u mel bands is "
        "not supported, only 80 or 128", config->bands);
  if (config->audio_width != config->text_width)
    return npu_error_set (error, NPU_EFORMAT, "encoder of width %u does not "
        "fit decoder of width %u", config->audio_width, config->text_width);
  if (config->audio_width % config->audio_heads)
    return npu_error_set (error, NPU_EFORMAT, "width %u cannot be divided "
        "among %u heads of the encoder", config->audio_width,
        config->audio_heads);
  if (config->text_heads != config->audio_heads)
    return npu_error_set (error, NPU_ENOTSUP, "%u heads in the encoder and %u "
        "in the decoder: different head sizes are not supported",
        config->audio_heads, config->text_heads);

  config->head_size = config->audio_width / config->audio_heads;
  if (config->head_size % NPU_MODEL_HEAD_SIZE_STEP
      || config->head_size > NPU_MODEL_MAX_HEAD_SIZE)
    return npu_error_set (error, NPU_ENOTSUP, "a head size of %u (width %u, "
        "%u heads) is not supported, only multiples of %d up to %d (Whisper "
        "has 64)", config->head_size, config->audio_width,
        config->audio_heads, NPU_MODEL_HEAD_SIZE_STEP,
        NPU_MODEL_MAX_HEAD_SIZE);
  return NPU_OK;
}

typedef struct
{
  uint32_t width, text_layers, vocabulary;
  uint8_t count;
  NpuAlignmentHead heads[19];
} PublishedHeads;

/* From the generation configs that were published with the models. */
static const PublishedHeads published[] = {
  {384, 4, 51864, 8, {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3},
          {3, 4}}},
  {384, 4, 51865, 6, {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
  {512, 6, 51864, 5, {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
  {512, 6, 51865, 8, {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4},
          {5, 6}}},
  {768, 12, 51864, 19, {{6, 6}, {7, 0}, {7, 3}, {7, 8}, {8, 2}, {8, 5},
          {8, 7}, {9, 0}, {9, 4}, {9, 8}, {9, 10}, {10, 0}, {10, 1}, {10, 2},
          {10, 3}, {10, 6}, {10, 11}, {11, 2}, {11, 4}}},
  {768, 12, 51865, 10, {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8},
          {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
  {1024, 24, 51864, 18, {{11, 4}, {14, 1}, {14, 12}, {14, 14}, {15, 4},
          {16, 0}, {16, 4}, {16, 9}, {17, 12}, {17, 14}, {18, 7}, {18, 10},
          {18, 15}, {20, 0}, {20, 3}, {20, 9}, {20, 14}, {21, 12}}},
  {1024, 24, 51865, 6, {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0},
          {23, 4}}},
  {1280, 32, 51866, 10, {{7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1},
          {17, 14}, {19, 11}, {21, 4}, {24, 1}, {25, 6}}},
  {1280, 4, 51866, 6, {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}},
};

const NpuAlignmentHead *
npu_config_published_heads (const NpuModelConfig * config, size_t *count)
{
  *count = 0;
  for (size_t i = 0; i < sizeof (published) / sizeof (published[0]); i++) {
    const PublishedHeads *model = &published[i];

    if (model->width == config->text_width && config->head_size == 64
        && model->text_layers == config->text_layers
        && model->vocabulary == config->vocabulary) {
      *count = model->count;
      return model->heads;
    }
  }
  return NULL;
}
