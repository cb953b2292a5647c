/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small models whose weights have the size that training gives them, in the
 * formats of tests/unit/model-writer.h and with a vocabulary that has all
 * timestamps of the context.
 */
#include "small-model.h"

#include <math.h>
#include <string.h>

#include "unit/model-writer.h"

const SmallModel small_model_default = { 80, 50, 32, 1 };

#define BLOCK_WEIGHT 3.0f
#define WORD_WEIGHT 1.5f

static const char *const specials[] = {
  "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>",
  "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
  "<|nospeech|>", "<|notimestamps|>",
};

static const char *const words[] = {
  " turn", " left", " right", " stop", " go", " light", " on", " off",
  " caf\xc3\xa9", " gr\xc3\xbc\xc3\x9f", " dich", " eins", " zwei", " drei",
};

static void
add_token (Buffer * buffer, const char *text)
{
  buffer_add_u32 (buffer, strlen (text));
  buffer_add (buffer, text, strlen (text));
}

static void
add_vocabulary (Buffer * buffer, guint positions)
{
  buffer_add_u32 (buffer,
      G_N_ELEMENTS (specials) + positions + 1 + G_N_ELEMENTS (words));
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    add_token (buffer, words[i]);
  for (guint i = 0; i < G_N_ELEMENTS (specials); i++)
    add_token (buffer, specials[i]);
  for (guint i = 0; i <= positions; i++) {
    char name[32];

    g_snprintf (name, sizeof (name), "<|%u.%02u|>", i / 50, i % 50 * 2);
    add_token (buffer, name);
  }
}

/* Uniform in -1 ... 1. */
static float
random_value (uint64_t * state)
{
  return (float) (random_next (state) >> 40) / (float) (1 << 23) - 1.0f;
}

static void
set_weights (WrittenTensor * tensor, uint64_t * state)
{
  float *values = (float *) tensor->bytes;
  gboolean is_scale = strstr (tensor->ggml_name, "ln") != NULL
      && g_str_has_suffix (tensor->ggml_name, ".weight");
  size_t columns = tensor->elements / tensor->shape[0];
  float size = tensor->dimensions == 1 ? 0.1f : sqrtf (3.0f / columns);

  /* as input and output share a table, a model whose blocks add little says
   * again and again what it said last */
  if (strncmp (tensor->ggml_name, "decoder.blocks", 14) == 0)
    size *= BLOCK_WEIGHT;

  for (size_t i = 0; i < tensor->elements; i++)
    values[i] = (is_scale ? 1.0f : 0.0f) + size * random_value (state);
}

/* Timestamps are many: words have to be likelier to come up at all. */
static void
favour_words (WrittenTensor * embedding, size_t width)
{
  float *values = (float *) embedding->bytes;

  for (size_t i = 0; i < G_N_ELEMENTS (words) * width; i++)
    values[i] *= WORD_WEIGHT;
}

const gchar *
small_model_write (const SmallModel * model)
{
  ModelSpec spec = {
    .bands = model->bands,
    .audio_context = model->positions,
    .width = model->width,
    .heads = model->width / 16,
    .audio_layers = 1,
    .text_context = 64,
    .text_layers = 1,
    .vocabulary =
        G_N_ELEMENTS (specials) + model->positions + 1 + G_N_ELEMENTS (words),
    .type = WRITE_F32,
    .seed = model->seed,
  };
  WrittenModel *written = written_model_new (&spec);
  uint64_t state = model->seed;
  GgmlLayout layout;
  Buffer file, spliced = { 0 };
  char name[64];
  const gchar *path;

  for (size_t i = 0; i < written->count; i++)
    set_weights (&written->tensors[i], &state);
  favour_words (written_model_find (written,
          "decoder.token_embedding.weight"), model->width);
  file = written_model_ggml (written, &layout);
  buffer_add (&spliced, file.data, layout.vocabulary);
  add_vocabulary (&spliced, model->positions);
  buffer_add (&spliced, file.data + layout.first_tensor,
      file.size - layout.first_tensor);

  g_snprintf (name, sizeof (name), "ggml-%u-%u-%u-%" G_GUINT64_FORMAT ".bin",
      model->bands, model->positions, model->width, model->seed);
  path = g_intern_string (test_path (name));
  write_file (path, spliced.data, spliced.size);
  buffer_clear (&spliced);
  buffer_clear (&file);
  ggml_layout_clear (&layout);
  written_model_free (written);
  return path;
}
