#include "device/simulated/engine.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "device/simulated/quiet.hpp"

namespace strideport::simulated {
namespace {

// How long a seeded driver with nobody waiting in it lets work lie.
constexpr std::chrono::milliseconds kPatience{5};

thread_local bool is_in_callback = false;

bool can_start(const Op& op) noexcept { return op.waits_for == 0 && !op.started; }

}  // namespace

bool in_callback() noexcept { return is_in_callback; }
void set_in_callback(bool inside) noexcept { is_in_callback = inside; }

QueuePtr Engine::make_queue() {
  auto queue = std::make_shared<Queue>();
  queue->number = next_number_++;
  return queue;
}

void Engine::close(Queue& queue) {
  queue.closed = true;
  queue.wake.notify_all();
}

void Engine::abandon(Queue& queue) {
  while (!queue.ops.empty() && !queue.ops.back()->started) {
    const OpPtr op = std::move(queue.ops.back());
    queue.ops.pop_back();
    if (op->chosen && !op->callback) running_chosen_ = false;
    mark_done(op);
  }
  if (queue.ops.empty()) busy_.erase(queue.number);
}

OpPtr Engine::push(Queue& queue, std::function<void()> work, const std::vector<OpPtr>& depends_on, bool callback) {
  auto op = std::make_shared<Op>();
  op->work = std::move(work);
  op->callback = callback;
  op->queue = &queue;
  op->place = queue.pushed + 1;
  op->seen = queue.seen;
  for (const OpPtr& other : depends_on) {
    op->depends_on.push_back(other);
    if (other->done || other->queue == &queue) continue;
    other->dependents.push_back(op);
    ++op->waits_for;
  }
  const QueuePtr self = queue.shared_from_this();
  if (!queue.has_thread) start_thread(self);
  busy_[queue.number] = self;
  queue.ops.push_back(op);
  queue.last = op;
  ++queue.pushed;
  {
    const Loud loud;
    publish(&op->queued_key);
  }
  queue.wake.notify_all();
  if (hosts_waiting_ > 0) keep_going();
  return op;
}

void Engine::start_thread(const QueuePtr& queue) {
  std::thread(serve, this, queue).detach();
  queue->has_thread = true;
  ++threads_;
}

void Engine::take_order(const OpPtr& op) noexcept {
  if (op->seen != nullptr) *op->seen = std::max(*op->seen, op->place);
  const Loud loud;
  receive(&op->done_key);
}

void Engine::wait(Lock& lock, const OpPtr& op) {
  if (op == nullptr) return;
  ++hosts_waiting_;
  while (!op->done) {
    keep_going();
    changed_.wait(lock);
  }
  --hosts_waiting_;
  take_order(op);
}

void Engine::let_some_run(Lock& lock) {
  if (!seeded_) return;
  for (uint64_t count = draw() % 3; count > 0; --count) {
    const OpPtr op = choose();
    if (op == nullptr || op->callback) return;
    while (!op->done) changed_.wait(lock);
  }
}

// With a seed: what runs next, if anything can and nothing does.
OpPtr Engine::choose() {
  if (!seeded_ || running_chosen_) return nullptr;
  std::vector<OpPtr> ready;
  for (const auto& [number, queue] : busy_) {
    if (!queue->ops.empty() && can_start(*queue->ops.front()) && !queue->ops.front()->chosen) {
      ready.push_back(queue->ops.front());
    }
  }
  if (ready.empty()) return nullptr;
  const OpPtr op = ready[static_cast<size_t>(draw() % ready.size())];
  op->chosen = true;
  running_chosen_ = !op->callback;
  op->queue->wake.notify_all();
  return op;
}

// The user's own code may block, so it never keeps the rest from running.
void Engine::keep_going() {
  OpPtr op;
  do {
    op = choose();
  } while (op != nullptr && op->callback);
}

bool Engine::may_start(const Queue& queue) const noexcept {
  if (queue.ops.empty() || !can_start(*queue.ops.front())) return false;
  return !seeded_ || queue.ops.front()->chosen;
}

void Engine::serve(Engine* engine, QueuePtr queue) {
  look_away();
  {
    Lock lock(engine->mutex);
    while (true) {
      while (!engine->may_start(*queue)) {
        if (queue->closed && queue->ops.empty()) break;
        if (!engine->seeded_ || queue->ops.empty()) {
          queue->wake.wait(lock);
        } else if (queue->wake.wait_for(lock, kPatience) == std::cv_status::timeout) {
          engine->keep_going();
        }
      }
      if (queue->ops.empty()) break;
      const OpPtr op = queue->ops.front();
      op->started = true;
      lock.unlock();
      {
        const Loud loud;
        receive(&op->queued_key);
        for (const OpPtr& other : op->depends_on) receive(&other->done_key);
        set_in_callback(op->callback);
        if (op->work) op->work();
        set_in_callback(false);
        publish(&op->done_key);
        publish(&queue->ran_key);
      }
      lock.lock();
      engine->finish(*queue, op);
    }
    queue->has_thread = false;
    {
      const Loud loud;
      publish(engine);
    }
    --engine->threads_;
    engine->changed_.notify_all();
  }
  queue.reset();
  look_again();
}

void Engine::finish(Queue& queue, const OpPtr& op) {
  queue.ops.pop_front();
  if (queue.ops.empty()) busy_.erase(queue.number);
  if (op->chosen && !op->callback) running_chosen_ = false;
  mark_done(op);
  if (hosts_waiting_ > 0) keep_going();
}

void Engine::mark_done(const OpPtr& op) {
  op->done = true;
  op->queue = nullptr;
  op->when = std::chrono::steady_clock::now();
  op->work = nullptr;
  op->depends_on.clear();
  for (const std::weak_ptr<Op>& waiting : op->dependents) {
    const OpPtr other = waiting.lock();
    if (other == nullptr || other->done) continue;
    if (--other->waits_for == 0 && other->queue != nullptr) other->queue->wake.notify_all();
  }
  op->dependents.clear();
  for (const auto& function : std::exchange(op->then, {})) function();
  changed_.notify_all();
}

void Engine::set_seed(uint64_t seed) {
  seeded_ = seed != 0;
  random_.seed(seed);
  running_chosen_ = false;
}

void Engine::wait_for_threads(Lock& lock) {
  while (threads_ > 0) changed_.wait(lock);
  const Loud loud;
  receive(this);
}

void Engine::wait_while_running(Lock& lock, const Queue& queue) {
  while (!queue.ops.empty() && queue.ops.front()->started) changed_.wait(lock);
}

void Engine::wait_for_device(Lock& lock, const Queue& queue) {
  const auto runs = [&queue] {
    return !queue.ops.empty() && queue.ops.front()->started && !queue.ops.front()->callback;
  };
  while (runs()) changed_.wait(lock);
  const Loud loud;
  receive(&queue.ran_key);
}

}  // namespace strideport::simulated
