/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes models; every value of their tensors is random bits.
 */
#include "model-writer.h"

#include <ftw.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const ModelSpec model_spec_small = { 80, 4, 32, 2, 1, 8, 1, 40, WRITE_F32, 1,
  false
};

/* "\xc3" and "\xa4" are the two bytes of a character. */
const SmallWord small_words[SMALL_WORD_COUNT] = {
  {" ", "\\u0120"},
  {" turn", "\\u0120turn"},
  {"left", "left"},
  {"\xc3", "\\u00c3"},
  {"\xa4", "\\u00a4"},
  {"\n", "\\u010a"},
  {"\xad", "\\u0143"},
  {"", ""},
  {" -", "\\u0120-"},
  {"\"", "\\\""},
};

#define SPECIAL_NAMES 10
static const char *const special_names[SPECIAL_NAMES] = {
  "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>",
  "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
  "<|nospeech|>", "<|notimestamps|>",
};

static void
check (bool condition, const char *what)
{
  if (!condition) {
    perror (what);
    abort ();
  }
}

void
buffer_add (Buffer * buffer, const void *data, size_t size)
{
  if (buffer->size + size > buffer->capacity) {
    buffer->capacity = 2 * (buffer->size + size);
    buffer->data = realloc (buffer->data, buffer->capacity);
    check (buffer->data, "realloc");
  }
  if (size > 0)
    memcpy (buffer->data + buffer->size, data, size);
  buffer->size += size;
}

void
buffer_add_u32 (Buffer * buffer, uint32_t value)
{
  uint8_t bytes[4] = { (uint8_t) value, (uint8_t) (value >> 8),
    (uint8_t) (value >> 16), (uint8_t) (value >> 24)
  };

  buffer_add (buffer, bytes, sizeof (bytes));
}

void
buffer_set_u32 (Buffer * buffer, size_t offset, uint32_t value)
{
  for (size_t i = 0; i < 4; i++)
    buffer->data[offset + i] = (uint8_t) (value >> 8 * i);
}

void
buffer_clear (Buffer * buffer)
{
  free (buffer->data);
  *buffer = (Buffer) { 0 };
}

static void
buffer_print (Buffer * buffer, const char *format, ...)
{
  char text[1024];
  va_list args;
  int length;

  va_start (args, format);
  length = vsnprintf (text, sizeof (text), format, args);
  va_end (args);
  check (length >= 0 && (size_t) length < sizeof (text), "buffer_print");
  buffer_add (buffer, text, (size_t) length);
}

static char *
buffer_text (Buffer * buffer)
{
  buffer_add (buffer, "", 1);
  return (char *) buffer->data;
}

uint64_t
random_next (uint64_t * state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static size_t
type_block (WriteType type)
{
  return type < WRITE_Q4_0 ? 1 : 32;
}

static size_t
type_bytes (WriteType type)
{
  static const size_t bytes[WRITE_TYPES] = { 4, 2, 2, 18, 20, 22, 24, 34 };

  return bytes[type];
}

static uint32_t
ggml_type (WriteType type)
{
  static const uint32_t numbers[WRITE_TYPES] = { 0, 1, 30, 2, 3, 6, 7, 8 };

  return numbers[type];
}

static WrittenTensor *
add_tensor (WrittenModel * model, uint32_t dimensions, uint32_t a, uint32_t b,
    uint32_t c)
{
  WrittenTensor *tensor;

  model->tensors = realloc (model->tensors, (model->count + 1)
      * sizeof (*tensor));
  check (model->tensors, "realloc");
  tensor = &model->tensors[model->count++];
  *tensor = (WrittenTensor) {.dimensions = dimensions,.shape = {a, b, c},
    .elements = (size_t) a * b * c
  };
  return tensor;
}

static void
add_named (WrittenModel * model, const char *ggml, const char *hugging_face,
    uint32_t rows, uint32_t columns)
{
  WrittenTensor *tensor = columns ? add_tensor (model, 2, rows, columns, 1)
      : add_tensor (model, 1, rows, 1, 1);

  snprintf (tensor->ggml_name, sizeof (tensor->ggml_name), "%s", ggml);
  snprintf (tensor->hugging_face_name, sizeof (tensor->hugging_face_name),
      "model.%s", hugging_face);
}

static void
add_block (WrittenModel * model, const char *side, uint32_t layer,
    const char *rest, const char *hugging_face, const uint32_t * shape)
{
  char ggml_name[64], hugging_face_name[80];

  snprintf (ggml_name, sizeof (ggml_name), "%s.blocks.%u.%s", side, layer,
      rest);
  snprintf (hugging_face_name, sizeof (hugging_face_name), "%s.layers.%u.%s",
      side, layer, hugging_face);
  add_named (model, ggml_name, hugging_face_name, shape[0], shape[1]);
}

static void
add_blocks (WrittenModel * model, const char *side, uint32_t layers, bool cross)
{
  const uint32_t w = model->spec.width;
  const struct
  {
    const char *ggml, *hugging_face;
    uint32_t shape[2];
  } rows[] = {
    {"attn_ln.weight", "self_attn_layer_norm.weight", {w}},
    {"attn_ln.bias", "self_attn_layer_norm.bias", {w}},
    {"attn.query.weight", "self_attn.q_proj.weight", {w, w}},
    {"attn.query.bias", "self_attn.q_proj.bias", {w}},
    {"attn.key.weight", "self_attn.k_proj.weight", {w, w}},
    {"attn.value.weight", "self_attn.v_proj.weight", {w, w}},
    {"attn.value.bias", "self_attn.v_proj.bias", {w}},
    {"attn.out.weight", "self_attn.out_proj.weight", {w, w}},
    {"attn.out.bias", "self_attn.out_proj.bias", {w}},
    {"mlp_ln.weight", "final_layer_norm.weight", {w}},
    {"mlp_ln.bias", "final_layer_norm.bias", {w}},
    {"mlp.0.weight", "fc1.weight", {4 * w, w}},
    {"mlp.0.bias", "fc1.bias", {4 * w}},
    {"mlp.2.weight", "fc2.weight", {w, 4 * w}},
    {"mlp.2.bias", "fc2.bias", {w}},
    {"cross_attn_ln.weight", "encoder_attn_layer_norm.weight", {w}},
    {"cross_attn_ln.bias", "encoder_attn_layer_norm.bias", {w}},
    {"cross_attn.query.weight", "encoder_attn.q_proj.weight", {w, w}},
    {"cross_attn.query.bias", "encoder_attn.q_proj.bias", {w}},
    {"cross_attn.key.weight", "encoder_attn.k_proj.weight", {w, w}},
    {"cross_attn.value.weight", "encoder_attn.v_proj.weight", {w, w}},
    {"cross_attn.value.bias", "encoder_attn.v_proj.bias", {w}},
    {"cross_attn.out.weight", "encoder_attn.out_proj.weight", {w, w}},
    {"cross_attn.out.bias", "encoder_attn.out_proj.bias", {w}},
  };
  const size_t count = sizeof (rows) / sizeof (rows[0]) - (cross ? 0 : 9);

  for (uint32_t layer = 0; layer < layers; layer++) {
    for (size_t i = 0; i < count; i++)
      add_block (model, side, layer, rows[i].ggml, rows[i].hugging_face,
          rows[i].shape);
  }
}

/* Random finite bits in the tensor's type. */
static void
fill (WrittenTensor * tensor, bool sparse, uint64_t * state)
{
  size_t block = type_block (tensor->type), bytes = type_bytes (tensor->type);
  size_t blocks = tensor->elements / block;

  tensor->size = blocks * bytes;
  if (sparse)
    return;
  tensor->bytes = malloc (tensor->size);
  check (tensor->bytes, "malloc");
  for (size_t i = 0; i < tensor->size; i++)
    tensor->bytes[i] = (uint8_t) random_next (state);
  for (size_t i = 0; i < blocks; i++) {
    uint8_t *start = tensor->bytes + i * bytes;
    bool minimum = tensor->type == WRITE_Q4_1 || tensor->type == WRITE_Q5_1;

    /* no exponent of all ones: neither infinite nor NaN */
    switch (tensor->type) {
      case WRITE_F32:
        start[3] &= 0xbf;
        break;
      case WRITE_BF16:
        start[1] &= 0xbf;
        break;
      default:
        start[1] &= 0xbf;
        if (minimum)
          start[3] &= 0xbf;
        break;
    }
  }
}

WrittenModel *
written_model_new (const ModelSpec * spec)
{
  WrittenModel *model = calloc (1, sizeof (*model));
  uint64_t state = spec->seed;
  WrittenTensor *tensor;

  check (model, "calloc");
  model->spec = *spec;
  add_named (model, "encoder.positional_embedding",
      "encoder.embed_positions.weight", spec->audio_context, spec->width);
  for (int i = 1; i <= 2; i++) {
    char name[32];

    tensor = add_tensor (model, 3, spec->width, i == 1 ? spec->bands
        : spec->width, 3);
    snprintf (tensor->ggml_name, sizeof (tensor->ggml_name),
        "encoder.conv%d.weight", i);
    snprintf (tensor->hugging_face_name, sizeof (tensor->hugging_face_name),
        "model.encoder.conv%d.weight", i);
    snprintf (name, sizeof (name), "encoder.conv%d.bias", i);
    add_named (model, name, name, spec->width, 0);
  }
  add_named (model, "encoder.ln_post.weight", "encoder.layer_norm.weight",
      spec->width, 0);
  add_named (model, "encoder.ln_post.bias", "encoder.layer_norm.bias",
      spec->width, 0);
  add_blocks (model, "encoder", spec->audio_layers, false);
  add_named (model, "decoder.positional_embedding",
      "decoder.embed_positions.weight", spec->text_context, spec->width);
  add_named (model, "decoder.token_embedding.weight",
      "decoder.embed_tokens.weight", spec->vocabulary, spec->width);
  add_named (model, "decoder.ln.weight", "decoder.layer_norm.weight",
      spec->width, 0);
  add_named (model, "decoder.ln.bias", "decoder.layer_norm.bias", spec->width,
      0);
  add_blocks (model, "decoder", spec->text_layers, true);

  for (size_t i = 0; i < model->count; i++) {
    tensor = &model->tensors[i];
    tensor->type = spec->type;
    if (spec->type >= WRITE_Q4_0 && tensor->dimensions != 2)
      tensor->type = tensor->dimensions == 1 ? WRITE_F32 : WRITE_F16;
    fill (tensor, spec->sparse, &state);
  }
  return model;
}

void
written_model_free (WrittenModel * model)
{
  for (size_t i = 0; i < model->count; i++)
    free (model->tensors[i].bytes);
  free (model->tensors);
  free (model);
}

WrittenTensor *
written_model_find (const WrittenModel * model, const char *ggml_name)
{
  for (size_t i = 0; i < model->count; i++) {
    if (!strcmp (model->tensors[i].ggml_name, ggml_name))
      return &model->tensors[i];
  }
  return NULL;
}

static unsigned
u16_at (const uint8_t * bytes)
{
  return bytes[0] | (unsigned) bytes[1] << 8;
}

/* A float with @exponent_bits and @mantissa_bits, from its parts. */
static double
float_of_parts (uint32_t bits, int exponent_bits, int mantissa_bits)
{
  int exponent = (int) (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  double mantissa = bits & ((1u << mantissa_bits) - 1);
  double sign = bits >> (exponent_bits + mantissa_bits) ? -1 : 1;
  int bias = (1 << (exponent_bits - 1)) - 1 + mantissa_bits;

  if (exponent == 0)
    return sign * ldexp (mantissa, 1 - bias);
  return sign * ldexp (mantissa + ldexp (1, mantissa_bits), exponent - bias);
}

static double
half_at (const uint8_t * bytes)
{
  return float_of_parts (u16_at (bytes), 5, 10);
}

float
written_tensor_value (const WrittenTensor * tensor, size_t index)
{
  size_t block = type_block (tensor->type);
  const uint8_t *start = tensor->bytes + index / block
      * type_bytes (tensor->type);
  size_t i = index % block;
  int nibble_shift = i < 16 ? 0 : 4;

#define NIBBLE(offset) (start[(offset) + i % 16] >> nibble_shift & 15)
#define FIFTH(offset) ((start[(offset) + i / 8] >> i % 8 & 1) * 16)
  switch (tensor->type) {
    case WRITE_F32:
      return (float) float_of_parts (u16_at (start)
          | (uint32_t) u16_at (start + 2) << 16, 8, 23);
    case WRITE_F16:
      return (float) half_at (start);
    case WRITE_BF16:
      return (float) float_of_parts (u16_at (start), 8, 7);
    case WRITE_Q4_0:
      return (float) ((NIBBLE (2) - 8) * half_at (start));
    case WRITE_Q4_1:
      return (float) ((float) (NIBBLE (4) * half_at (start))
          + half_at (start + 2));
    case WRITE_Q5_0:
      return (float) ((NIBBLE (6) + FIFTH (2) - 16) * half_at (start));
    case WRITE_Q5_1:
      return (float) ((float) ((NIBBLE (8) + FIFTH (4)) * half_at (start))
          + half_at (start + 2));
    default:
      return (float) ((int8_t) start[2 + i] * half_at (start));
  }
}

static void
add_ggml_token (Buffer * buffer, const char *text)
{
  buffer_add_u32 (buffer, (uint32_t) strlen (text));
  buffer_add (buffer, text, strlen (text));
}

static void
timestamp_name (uint32_t index, char *name, size_t size)
{
  snprintf (name, size, "<|%u.%02u|>", index / 50, index % 50 * 2);
}

static void
add_ggml_vocabulary (Buffer * buffer, const ModelSpec * spec)
{
  char name[32];

  buffer_add_u32 (buffer, SMALL_WORDS + SMALL_WORD_COUNT);
  for (uint32_t i = 0; i < SMALL_WORDS; i++) {
    if (i < SPECIAL_NAMES) {
      add_ggml_token (buffer, special_names[i]);
    } else if (i - SPECIAL_NAMES <= spec->audio_context) {
      timestamp_name (i - SPECIAL_NAMES, name, sizeof (name));
      add_ggml_token (buffer, name);
    } else {
      add_ggml_token (buffer, "<|filler|>");
    }
  }
  for (uint32_t i = 0; i < SMALL_WORD_COUNT; i++)
    add_ggml_token (buffer, small_words[i].bytes);
}

static void
add_ggml_tensor (Buffer * buffer, const WrittenTensor * tensor)
{
  /* the biases of convolutions are columns in published files */
  bool column = strstr (tensor->ggml_name, "encoder.conv")
      && tensor->dimensions == 1;

  buffer_add_u32 (buffer, tensor->dimensions + column);
  buffer_add_u32 (buffer, (uint32_t) strlen (tensor->ggml_name));
  buffer_add_u32 (buffer, ggml_type (tensor->type));
  if (column)
    buffer_add_u32 (buffer, 1);
  for (uint32_t i = tensor->dimensions; i-- > 0;)
    buffer_add_u32 (buffer, tensor->shape[i]);
  buffer_add (buffer, tensor->ggml_name, strlen (tensor->ggml_name));
}

/* Everything before the tensors. */
static Buffer
ggml_head (const WrittenModel * model)
{
  const ModelSpec *spec = &model->spec;
  const uint32_t header[] = {
    0x67676d6c, spec->vocabulary, spec->audio_context, spec->width,
    spec->heads, spec->audio_layers, spec->text_context, spec->width,
    spec->heads, spec->text_layers, spec->bands,
    spec->type >= WRITE_Q4_0 ? 2000 + ggml_type (spec->type) : 1,
    spec->bands, 201,
  };
  Buffer buffer = { 0 };

  for (size_t i = 0; i < sizeof (header) / sizeof (header[0]); i++)
    buffer_add_u32 (&buffer, header[i]);
  for (uint32_t i = 0; i < spec->bands * 201; i++)
    buffer_add_u32 (&buffer, 0);
  return buffer;
}

Buffer
written_model_ggml (const WrittenModel * model, GgmlLayout * layout)
{
  Buffer buffer = ggml_head (model);
  GgmlLayout own = { 0 };

  own.vocabulary = buffer.size;
  add_ggml_vocabulary (&buffer, &model->spec);
  own.first_tensor = buffer.size;
  own.tensors = calloc (model->count, sizeof (size_t));
  own.tensor_data = calloc (model->count, sizeof (size_t));
  check (own.tensors && own.tensor_data, "calloc");
  for (size_t i = 0; i < model->count; i++) {
    own.tensors[i] = buffer.size;
    add_ggml_tensor (&buffer, &model->tensors[i]);
    own.tensor_data[i] = buffer.size;
    buffer_add (&buffer, model->tensors[i].bytes, model->tensors[i].size);
  }
  if (layout)
    *layout = own;
  else
    ggml_layout_clear (&own);
  return buffer;
}

void
written_model_save_sparse_ggml (const WrittenModel * model, const char *path,
    const Buffer * vocabulary)
{
  FILE *file = fopen (path, "wb");
  Buffer head = ggml_head (model);

  check (file, path);
  buffer_add (&head, vocabulary->data, vocabulary->size);
  check (fwrite (head.data, 1, head.size, file) == head.size, path);
  buffer_clear (&head);
  for (size_t i = 0; i < model->count; i++) {
    add_ggml_tensor (&head, &model->tensors[i]);
    check (fwrite (head.data, 1, head.size, file) == head.size, path);
    buffer_clear (&head);
    check (!fseeko (file, (off_t) model->tensors[i].size, SEEK_CUR), path);
  }
  check (!fflush (file) && !ftruncate (fileno (file), ftello (file)), path);
  check (!fclose (file), path);
}

void
ggml_layout_clear (GgmlLayout * layout)
{
  free (layout->tensors);
  free (layout->tensor_data);
}

Buffer
written_model_safetensors (const WrittenModel * model, size_t part,
    size_t parts)
{
  static const char *const dtypes[] = { "F32", "F16", "BF16" };
  Buffer header = { 0 }, data = { 0 }, file = { 0 };
  size_t offset = 0;

  buffer_print (&header, "{\"__metadata__\":{\"format\":\"pt\"}");
  for (size_t i = part; i < model->count; i += parts) {
    const WrittenTensor *tensor = &model->tensors[i];

    buffer_print (&header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[",
        tensor->hugging_face_name, dtypes[tensor->type]);
    for (uint32_t j = 0; j < tensor->dimensions; j++)
      buffer_print (&header, "%s%u", j ? "," : "", tensor->shape[j]);
    buffer_print (&header, "],\"data_offsets\":[%zu,%zu]}", offset,
        offset + tensor->size);
    offset += tensor->size;
    if (!model->spec.sparse)
      buffer_add (&data, tensor->bytes, tensor->size);
  }
  /* the layer that is tied to the embedding, and one of no interest */
  if (part == 0)
    buffer_print (&header, ",\"proj_out.weight\":{\"dtype\":\"I64\",\"shape\":"
        "[],\"data_offsets\":[%zu,%zu]}", offset, offset + 8);
  if (part == 0 && !model->spec.sparse)
    buffer_add (&data, "ignored.", 8);
  buffer_print (&header, "}");

  buffer_add_u32 (&file, (uint32_t) header.size);
  buffer_add_u32 (&file, 0);
  buffer_add (&file, header.data, header.size);
  buffer_add (&file, data.data, data.size);
  buffer_clear (&header);
  buffer_clear (&data);
  return file;
}

char *
written_model_config_json (const WrittenModel * model)
{
  const ModelSpec *spec = &model->spec;
  Buffer buffer = { 0 };

  buffer_print (&buffer, "{\"model_type\": \"whisper\",\n"
      "\"activation_function\": \"gelu\", \"num_mel_bins\": %u,\n"
      "\"max_source_positions\": %u, \"max_target_positions\": %u,\n"
      "\"d_model\": %u, \"vocab_size\": %u,\n"
      "\"encoder_attention_heads\": %u, \"decoder_attention_heads\": %u,\n",
      spec->bands, spec->audio_context, spec->text_context, spec->width,
      spec->vocabulary, spec->heads, spec->heads);
  buffer_print (&buffer, "\"encoder_layers\": %u, \"decoder_layers\": %u,\n"
      "\"encoder_ffn_dim\": %u, \"decoder_ffn_dim\": %u,\n"
      "\"scale_embedding\": false, \"suppress_tokens\": [%d],\n"
      "\"gst_npu\": {\"name\": \"small\", \"context\": \"heard\", "
      "\"context_step\": 2}}\n", spec->audio_layers, spec->text_layers,
      4 * spec->width, 4 * spec->width, SMALL_WORDS);
  return buffer_text (&buffer);
}

char *
written_model_generation_config_json (const WrittenModel * model)
{
  Buffer buffer = { 0 };

  buffer_print (&buffer, "{\"alignment_heads\": [[0, 1], [%u, 0]],\n"
      "\"is_multilingual\": true, \"suppress_tokens\": [%d, %d],\n"
      "\"begin_suppress_tokens\": [%d, %d]}\n", model->spec.text_layers - 1,
      SMALL_WORDS + 2, SMALL_WORDS + 1, SMALL_WORDS, SMALL_END_OF_TEXT);
  return buffer_text (&buffer);
}

static void
print_words (Buffer * buffer)
{
  for (uint32_t i = 0; i < SMALL_WORD_COUNT; i++)
    buffer_print (buffer, "%s\"%s\": %u", i ? ", " : "",
        small_words[i].byte_level, SMALL_WORDS + i);
}

static void
special_name (uint32_t index, char *name, size_t size)
{
  if (index < SPECIAL_NAMES)
    snprintf (name, size, "%s", special_names[index]);
  else
    timestamp_name (index - SPECIAL_NAMES, name, size);
}

static uint32_t
special_count (const WrittenModel * model)
{
  return SPECIAL_NAMES + model->spec.audio_context + 1;
}

char *
written_model_tokenizer_json (const WrittenModel * model)
{
  Buffer buffer = { 0 };
  char name[32];

  buffer_print (&buffer, "{\"version\": \"1.0\", \"added_tokens\": [\n");
  for (uint32_t i = 0; i < special_count (model); i++) {
    special_name (i, name, sizeof (name));
    buffer_print (&buffer, "%s{\"id\": %u, \"content\": \"%s\", "
        "\"special\": %s}", i ? ",\n" : "", i, name,
        i < SPECIAL_NAMES ? "true" : "false");
  }
  buffer_print (&buffer, "],\n\"model\": {\"type\": \"BPE\", \"vocab\": {");
  print_words (&buffer);
  buffer_print (&buffer, "}, \"merges\": []}}\n");
  return buffer_text (&buffer);
}

char *
written_model_vocab_json (const WrittenModel * model)
{
  Buffer buffer = { 0 };

  buffer_print (&buffer, "{\"<|endoftext|>\": %d, ", SMALL_END_OF_TEXT);
  print_words (&buffer);
  buffer_print (&buffer, "}\n");
  return buffer_text (&buffer);
}

char *
written_model_added_tokens_json (const WrittenModel * model)
{
  Buffer buffer = { 0 };
  char name[32];

  for (uint32_t i = 1; i < special_count (model); i++) {
    special_name (i, name, sizeof (name));
    buffer_print (&buffer, "%c\"%s\": %u", i == 1 ? '{' : ',', name, i);
  }
  buffer_print (&buffer, "}\n");
  return buffer_text (&buffer);
}

static void
save_text (const char *directory, const char *name, char *text)
{
  char path[4096];

  snprintf (path, sizeof (path), "%s/%s", directory, name);
  write_text (path, text);
  free (text);
}

void
written_model_save (const WrittenModel * model, const char *directory)
{
  Buffer weights = written_model_safetensors (model, 0, 1);
  char path[4096];

  snprintf (path, sizeof (path), "%s/model.safetensors", directory);
  write_file (path, weights.data, weights.size);
  if (model->spec.sparse) {
    off_t size = (off_t) weights.size + 8;

    for (size_t i = 0; i < model->count; i++)
      size += (off_t) model->tensors[i].size;
    check (!truncate (path, size), path);
  }
  buffer_clear (&weights);
  save_text (directory, "config.json", written_model_config_json (model));
  save_text (directory, "generation_config.json",
      written_model_generation_config_json (model));
  save_text (directory, "tokenizer.json",
      written_model_tokenizer_json (model));
}

static char folder[4096];
static pid_t folder_owner;

static int
remove_entry (const char *path, const struct stat *status, int kind,
    struct FTW *walk)
{
  return remove (path);
}

static void
remove_folder (void)
{
  /* each test may run in a child of its own, which ends by exit() too */
  if (getpid () == folder_owner)
    nftw (folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
test_folder (void)
{
  const char *base = getenv ("TMPDIR");

  if (!*folder) {
    snprintf (folder, sizeof (folder), "%s/npu-model-XXXXXX",
        base ? base : "/tmp");
    check (mkdtemp (folder), "mkdtemp");
    folder_owner = getpid ();
    atexit (remove_folder);
  }
  return folder;
}

const char *
test_path (const char *name)
{
  static char paths[8][8192];
  static size_t next;
  char *path = paths[next++ % 8];

  snprintf (path, sizeof (paths[0]), "%s/%s", test_folder (), name);
  return path;
}

const char *
test_path_in (const char *sub_folder, const char *name)
{
  char joined[4096];

  mkdir (test_path (sub_folder), 0700);
  snprintf (joined, sizeof (joined), "%s/%s", sub_folder, name);
  return test_path (joined);
}

void
write_file (const char *path, const void *data, size_t size)
{
  FILE *file = fopen (path, "wb");

  check (file, path);
  check (fwrite (data, 1, size, file) == size, path);
  check (fclose (file) == 0, path);
}

void
write_text (const char *path, const char *text)
{
  write_file (path, text, strlen (text));
}
