package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.UUID;
import java.util.function.DoubleSupplier;

/**
 * The state machine: operations, and one run of the background task.
 *
 * <p>The caller performs one operation or run at a time. {@link #state}, {@link #has}, {@link
 * #limit}, {@link #next} and {@link #diagnose} can be called at any time by any thread, and do not
 * wait for the network.
 */
final class Client {
  private static final Duration RELEASE_TIMEOUT = Duration.ofSeconds(2);

  private static final String NOT_BORROWED = "the seat was not borrowed";

  /** The last time that a request can have: the end of the year 9999. */
  private static final Instant MAX_BORROW_UNTIL = Instant.ofEpochSecond(253_402_300_799L);

  /** By how much the time moves before it is stored. */
  private static final double CLOCK_WRITE_INTERVAL = 60;

  private final Config config;
  private final Identity identity;
  private final Store store;
  private final Requests requests;
  private final ApiSession api;
  private final Time time;
  private final Schedule schedule;

  private volatile Clock clock;

  /** The clock when it was last stored. */
  private Clock writtenClock;

  /** The monotonic clock at the last observation. */
  private double observedAt;

  private volatile Stored stored;
  private volatile String reason = State.NOT_CONTACTED;

  /** Opens a client from what is stored, without a request. */
  Client(
      Config config,
      Identity identity,
      Store store,
      Transport transport,
      Time time,
      DoubleSupplier random) {
    this.config = config;
    this.identity = identity;
    this.store = store;
    this.requests = new Requests(identity);
    this.api = new ApiSession(transport, this::observe, () -> stored);
    this.time = time;
    this.schedule = new Schedule(random);
    Optional<Clock> written = readClock();
    double start = written.map(found -> found.time).orElse(time.wall());
    stored = Stored.read(store, config, identity, Math.max(start, time.wall()));
    double reference = stored.token.map(token -> token.issuedAt).orElse(0L);
    clock = written.orElse(Clock.start(time.wall(), reference));
    writtenClock = clock.limitTo(stored.token);
    observedAt = time.monotonic();
    now();
    schedule.open(stored, clock);
  }

  // ----- What an app asks -----

  synchronized State state() {
    now();
    return stored.state(clock, reason);
  }

  synchronized boolean has(String feature) {
    return state().mayRun() && stored.token.get().has(feature);
  }

  synchronized long limit(String feature) {
    return state().mayRun() ? stored.token.get().limit(feature) : 0;
  }

  /** Returns the seconds until the next request of the background task, 0 if one is due. */
  synchronized OptionalDouble next() {
    now();
    return schedule.next(stored, clock);
  }

  /** Returns the seconds until the next run of the background task, 0 if it is due. */
  synchronized OptionalDouble nextRun() {
    now();
    return schedule.nextRun(stored, clock);
  }

  synchronized String diagnose() {
    State state = state();
    OptionalDouble next = schedule.nextAt(stored, clock);
    return new Diagnosis(config, identity, store, stored, clock)
        .text(state, next, api.lastContact(), api.lastFailure());
  }

  /** Returns the text that an operator turns into a license file. */
  String offlineRequest() throws LicenseException {
    if (identity.isEphemeral) throw LicenseException.ephemeral("the request was not created");
    JsonObject request = new JsonObject();
    request.addProperty("product", config.product());
    request.addProperty("machine_id", identity.machineId);
    identity.machineName.get().ifPresent(name -> request.addProperty("machine_name", name));
    byte[] json = request.toString().getBytes(StandardCharsets.UTF_8);
    return "signet-request/1:" + Base64.getUrlEncoder().withoutPadding().encodeToString(json);
  }

  // ----- Operations -----

  void activate(String licenseKey) throws LicenseException {
    String key = licenseKey.strip();
    load();
    Stored before = stored;
    Optional<Failure> failure = requestToken(requests.activate(key));
    if (failure.isEmpty()) {
      writeLicenseKey(key);
      load();
      return;
    }
    if (!keepsPresent(before, key, failure.get())) failActivation(key, failure.get());
    throw LicenseException.of("the license key was not activated", failure.get());
  }

  /** Returns whether the activation with a license key, which failed, changes nothing. */
  private static boolean keepsPresent(Stored present, String key, Failure failure) {
    if (failure.isStoredRefusal()) return true;
    boolean isPresentKey = present.licenseKey.equals(Optional.of(key));
    boolean isLicensed = present.licenseKey.isPresent() || present.token.isPresent();
    return !isPresentKey && (isLicensed || failure.hasCode(RefusalCodes::refusesKey));
  }

  /** Handles a failure of {@link #activate}. */
  private synchronized void failActivation(String key, Failure failure) {
    if (failure.isRefusal()) {
      if (failure.hasCode(RefusalCodes::keepsLicenseKey)) writeLicenseKey(key);
      storeRefusal(failure);
      return;
    }
    boolean isKeyInvalid = failure.code.isPresent() && failure.reply.status != 429;
    if (!isKeyInvalid) {
      if (stored.licenseKey.isEmpty()) store.remove(Store.REFUSAL);
      writeLicenseKey(key);
    }
    load();
    if (stored.hasToActivate()) tryLater(failure);
    else reason = failure.reply.reason();
  }

  /** Stores a license key, with which the background task may activate, also after a release. */
  private synchronized void writeLicenseKey(String key) {
    store.writeLicenseKey(key);
    schedule.resume();
  }

  void deactivate() throws LicenseException {
    load();
    Optional<Failure> failure = takeSeatToFree();
    if (failure.isEmpty()) failure = freeSeat(Optional.empty());
    if (failure.isPresent()) throw LicenseException.of("the seat was not freed", failure.get());
    store.clear();
    load();
  }

  /**
   * Activates with the stored license key if there is no token, because only a token frees the seat
   * that this machine may have. Returns why that is not known: if the API refuses, the machine has
   * no seat.
   */
  private Optional<Failure> takeSeatToFree() {
    Stored present = stored;
    if (present.token.isPresent() || present.licenseKey.isEmpty()) return Optional.empty();
    return requestToken(requests.activate(present.licenseKey.get()))
        .filter(failure -> !failure.isRefusal());
  }

  /** Deactivates the stored token. Returns why its seat is still taken. */
  private Optional<Failure> freeSeat(Optional<Duration> timeout) {
    Optional<Token> token = stored.token;
    if (token.isEmpty()) return Optional.empty();
    Request request = requests.deactivate(token.get());
    Reply reply = api.send(request, timeout);
    boolean isGone = reply.problemCode().equals(Optional.of(RefusalCodes.NOT_FOUND));
    return reply.success().isPresent() || isGone
        ? Optional.empty()
        : Optional.of(api.fail(request, reply));
  }

  void release() {
    load();
    if (stored.token.isPresent() && stored.isFromFile) return;
    Optional<Failure> failure = freeSeat(Optional.of(RELEASE_TIMEOUT));
    if (failure.filter(reply -> reply.hasCode(RefusalCodes::keepsSeat)).isPresent()) return;
    store.remove(Store.TOKEN);
    schedule.release();
    load();
  }

  /** Frees the seat, if it is that of this process. */
  void close() {
    if (identity.releasesAtClose()) release();
  }

  void borrow(Instant until) throws LicenseException {
    if (identity.isEphemeral) throw LicenseException.ephemeral(NOT_BORROWED);
    load();
    boolean isValid = !until.isAfter(MAX_BORROW_UNTIL) && until.getEpochSecond() > clock.time;
    if (!isValid) {
      throw notBorrowed(LicenseException.VALUE_INVALID, "until must be later than now");
    }
    if (stored.refusal.isPresent()) {
      Refusal refusal = stored.refusal.get();
      throw notBorrowed(refusal.code, refusal.detail());
    }
    if (stored.token.isEmpty()) {
      throw notBorrowed(LicenseException.NOT_ACTIVATED, "this machine is not activated");
    }
    Optional<Failure> failure = sendHeartbeat(Optional.of(until), true);
    if (failure.isEmpty()) return;
    if (failure.get().code.isEmpty()) reason = failure.get().reply.reason();
    throw LicenseException.of(NOT_BORROWED, failure.get());
  }

  private static LicenseException notBorrowed(String code, String detail) {
    return new LicenseException(code, NOT_BORROWED + ": " + detail);
  }

  synchronized void importLicenseFile(String file) throws LicenseException {
    String text = LicenseFile.withoutByteOrderMark(file);
    load();
    Token token =
        LicenseFile.parse(text)
            .orElseThrow(() -> LicenseFile.invalid("it is not a license file"))
            .verifyForImport(config, identity, latest());
    Optional<Refusal> refusal = stored.refusal;
    if (refusal.isPresent() && token.issuedAt <= refusal.get().at)
      throw LicenseFile.olderThan(refusal.get());
    if (stored.token.isPresent()) {
      Token present = stored.token.get();
      if (stored.isFromFile && present.text.equals(token.text)) return;
      if (token.issuedAt <= present.issuedAt)
        throw LicenseFile.invalid("it is older than the present token");
    }
    setClock(clock.acceptLicenseFile(token.issuedAt, time.wall()));
    long next = schedule.nextHeartbeat(clock.time, token, OptionalDouble.empty());
    writeToken(
        token, new TokenRecord(token.text, next, false, Optional.empty(), Optional.of(text)));
    schedule.settle();
  }

  // ----- The background task -----

  /** Sends the requests that are due. */
  void run() {
    load();
    if (schedule.areKeysDue(stored, clock)) fetchKeys();
    if (schedule.isRequestDue(stored, clock)) renew();
  }

  /** Sends what the background task would send next, whether it is due or not. */
  void refresh() {
    load();
    renew();
  }

  private void renew() {
    boolean isLicensed = stored.refusal.isEmpty() && stored.token.isPresent();
    // The response to a heartbeat can be the same token, whose time does not end the tampering.
    boolean needsNewToken = clock.isTampered() && stored.licenseKey.isPresent();
    Optional<Failure> failure =
        isLicensed && !needsNewToken ? sendHeartbeat(Optional.empty(), true) : activateAgain();
    failure.filter(Failure::isUnreachable).ifPresent(this::tryLater);
  }

  /**
   * Sends a heartbeat. If the seat was lost, activates, and then repeats a heartbeat that borrows.
   */
  private Optional<Failure> sendHeartbeat(Optional<Instant> borrowUntil, boolean mayActivate) {
    load();
    Stored present = stored;
    if (present.token.isEmpty()) return Optional.empty();
    Optional<Failure> failure = requestToken(requests.heartbeat(present.token.get(), borrowUntil));
    boolean isSeatLost =
        failure
            .filter(Failure::isRefusal)
            .filter(reply -> reply.hasCode(RefusalCodes::isSeatLost))
            .isPresent();
    boolean canActivate = isSeatLost && present.licenseKey.isPresent();
    if (!canActivate) return storeIfRefusal(failure);
    if (!mayActivate) return failure;
    failure = activateAgain();
    return failure.isPresent() || borrowUntil.isEmpty()
        ? failure
        : sendHeartbeat(borrowUntil, false);
  }

  /** Activates with the stored license key. */
  private Optional<Failure> activateAgain() {
    load();
    Optional<String> licenseKey = stored.licenseKey;
    if (licenseKey.isEmpty()) return Optional.empty();
    return storeIfRefusal(requestToken(requests.activate(licenseKey.get())));
  }

  private Optional<Failure> storeIfRefusal(Optional<Failure> failure) {
    failure.filter(Failure::isRefusal).ifPresent(this::storeRefusal);
    return failure;
  }

  // ----- Requests -----

  /**
   * Requests a token, and stores it. Fetches the key set once if the key of the token is unknown.
   *
   * @return why there is no token
   */
  private Optional<Failure> requestToken(Request request) {
    Optional<String> refusalId = stored.refusalId();
    Reply reply = api.send(request);
    String text = reply.success().flatMap(body -> Json.string(body, "token")).orElse("");
    Optional<Jws> jws = Jws.parse(text, Token.TYPE);
    if (jws.isEmpty()) return Optional.of(api.fail(request, reply));
    boolean isKeyKnown = stored.keys.filter(keys -> keys.hasKeyOf(jws.get())).isPresent();
    Optional<Failure> keyFailure = isKeyKnown ? Optional.empty() : fetchKeys();
    Optional<SignedToken> token =
        stored.keys.flatMap(keys -> SignedToken.verify(text, keys, config, identity));
    boolean isActivation = request.operation == Request.Operation.ACTIVATE;
    if (isActivation && token.filter(SignedToken::isOfOtherProduct).isPresent())
      return Optional.of(rejectProduct(request, reply, token.get()));
    Optional<Token> accepted =
        token.flatMap(SignedToken::accepted).filter(given -> !clock.isReplay(given.issuedAt));
    if (accepted.isPresent()) return storeToken(accepted.get(), reply, refusalId);
    boolean isUnsigned = keyFailure.filter(Failure::isOfUnsignedKeySet).isPresent();
    return Optional.of(api.failVerification(request, reply, isUnsigned));
  }

  /**
   * Frees the seat that the activation with a license key of another product took. If that fails,
   * the lease of the seat ends by itself. With the status 200, the machine had the seat before:
   * another app uses it.
   */
  private Failure rejectProduct(Request request, Reply reply, SignedToken token) {
    Failure failure = api.failProduct(request, reply, token.product, config.product());
    if (reply.status == 201) api.send(requests.deactivate(token.token));
    return failure;
  }

  /**
   * Fetches the key set, and stores it if it is valid and not older than the stored one.
   *
   * @return why it was not stored
   */
  private Optional<Failure> fetchKeys() {
    load();
    Request request = requests.fetchKeys();
    Reply reply = api.send(request);
    synchronized (this) {
      load();
      String text = reply.status == 200 ? reply.body.strip() : "";
      Optional<KeySet> keys = KeySet.verify(text, config).filter(this::isNewest);
      keys.ifPresent(set -> store.write(Store.KEYS, set.text));
      schedule.fetched(keys.isPresent(), clock.time);
      load();
      if (keys.isPresent()) return Optional.empty();
      boolean isUnsigned = Jws.parse(text).filter(jwt -> !KeySet.isSigned(jwt, config)).isPresent();
      return Optional.of(api.failVerification(request, reply, isUnsigned));
    }
  }

  /** Returns whether a fetched key set has not expired, and is not older than the stored one. */
  private boolean isNewest(KeySet fetched) {
    return fetched.expiresAt >= Math.min(clock.time, time.wall())
        && stored.keys.filter(present -> present.issuedAt > fetched.issuedAt).isEmpty();
  }

  /**
   * Stores the token of a response, unless another process has stored a refusal since the request
   * was sent.
   *
   * @param refusalId the refusal that was stored when the request was sent
   * @return the refusal of the other process
   */
  private synchronized Optional<Failure> storeToken(
      Token token, Reply reply, Optional<String> refusalId) {
    load();
    if (stored.refusal.isPresent() && !stored.refusalId().equals(refusalId))
      return stored.refusal.map(refusal -> Failure.ofStoredRefusal(reply, refusal));
    setClock(clock.acceptResponse(token.issuedAt, token.expiresAt, time.wall()));
    api.noteContact();
    JsonObject body = reply.success().orElseThrow();
    Optional<Instant> proposed = Json.dateTime(body, "next_heartbeat_at");
    long next =
        schedule.nextHeartbeat(
            clock.time,
            token,
            proposed.isPresent()
                ? OptionalDouble.of(seconds(proposed.get()))
                : OptionalDouble.empty());
    Optional<Long> graceEndsAt = Json.dateTime(body, "grace_ends_at").map(Instant::getEpochSecond);
    writeToken(
        token,
        new TokenRecord(
            token.text, next, Json.isTrue(body, "in_grace"), graceEndsAt, Optional.empty()));
    if (clock.isTampered()) schedule.fail(stored, clock.time, 0);
    else schedule.settle();
    return Optional.empty();
  }

  private void writeToken(Token token, TokenRecord record) {
    store.write(Store.TOKEN, record.toJson());
    writeClock(clock.limitTo(Optional.of(token)));
    store.remove(Store.REFUSAL);
    reason = State.NOT_CONTACTED;
    load();
  }

  /** Stores a refusal, and removes the token. */
  private synchronized void storeRefusal(Failure failure) {
    now();
    String code = failure.code.orElseThrow();
    Optional<Long> retryAt =
        RefusalCodes.hasRetryTime(code) ? failure.reply.retryAt() : Optional.empty();
    Refusal refusal = new Refusal(UUID.randomUUID().toString(), code, (long) clock.time, retryAt);
    store.write(Store.REFUSAL, refusal.toJson());
    store.remove(Store.TOKEN);
    load();
  }

  /** Plans the next try after a request that was neither a success nor a refusal. */
  private synchronized void tryLater(Failure failure) {
    now();
    reason = failure.reply.reason();
    schedule.fail(stored, clock.time, failure.reply.retryAfter(clock.time));
  }

  // ----- The storage and the clock -----

  /** Reads all files again, because another process may have changed them. */
  private synchronized void load() {
    now();
    stored = Stored.read(store, config, identity, latest());
    clock = readClock().map(clock::merge).orElse(clock);
    now();
    schedule.notice(stored, clock.time);
  }

  private Optional<Clock> readClock() {
    return store.read(Store.CLOCK).flatMap(Clock::parse);
  }

  /** Returns the later of the time and the wall clock. */
  private double latest() {
    return Math.max(clock.time, time.wall());
  }

  /** Observes the clocks, and returns the time. */
  private synchronized double observe() {
    now();
    return clock.time;
  }

  /** Observes the clocks, and stores the time if it has moved. */
  private void now() {
    double monotonic = time.monotonic();
    clock = clock.observe(time.wall(), monotonic - observedAt, stored.notBefore());
    observedAt = monotonic;
    Clock limited = clock.limitTo(stored.token);
    boolean hasMoved = Math.abs(limited.time - writtenClock.time) >= CLOCK_WRITE_INTERVAL;
    if (hasMoved || limited.setBack != writtenClock.setBack) writeClock(limited);
  }

  /** Sets the clock to a signed time. Due times move with it. */
  private void setClock(Clock signed) {
    if (signed.time < clock.time) schedule.moveBack(clock.time - signed.time);
    clock = signed;
  }

  private void writeClock(Clock limited) {
    writtenClock = limited;
    store.write(Store.CLOCK, limited.toJson());
  }

  private static double seconds(Instant instant) {
    return instant.getEpochSecond() + instant.getNano() / 1e9;
  }
}
