#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "event/batch.h"

namespace millrace::redis {

/// A cell and the batch its bytes are in.
struct CellRef {
  const Batch* batch = nullptr;
  Cell cell;
};

/// The cells of a row as they lie in its batch, or put together from several rows. A view: what it was made
/// of must live on.
class RowCells {
 public:
  RowCells() = default;
  RowCells(const Batch& batch, std::span<const Cell> cells) : batch_(&batch), cells_(cells) {}
  explicit RowCells(std::span<const CellRef> image) : image_(image) {}

  [[nodiscard]] std::size_t size() const { return batch_ != nullptr ? cells_.size() : image_.size(); }
  [[nodiscard]] const Cell& operator[](std::size_t i) const {
    return batch_ != nullptr ? cells_[i] : image_[i].cell;
  }
  [[nodiscard]] const Batch& batch(std::size_t i) const {
    return batch_ != nullptr ? *batch_ : *image_[i].batch;
  }
  /// The row as it lies in its batch, when it does: else an empty span.
  [[nodiscard]] std::span<const Cell> plain() const { return cells_; }

 private:
  const Batch* batch_ = nullptr;
  std::span<const Cell> cells_;
  std::span<const CellRef> image_;
};

/// True when both hold the same value, each in its batch.
[[nodiscard]] bool same_value(const Batch& a_batch, const Cell& a, const Batch& b_batch, const Cell& b);

}  // namespace millrace::redis
