package io.github.signetlicensing.client;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ServerSocketFactory;

/** A server on a random port of the loopback address, which hands each connection to a handler. */
final class LoopbackServer implements AutoCloseable {
  /** Answers the request on a connection. */
  interface Handler {
    void handle(Socket connection, String head) throws Exception;
  }

  /** The head of each request: its first line and its headers. */
  final List<String> heads = new CopyOnWriteArrayList<>();

  private final ServerSocket socket;
  private final Handler handler;

  LoopbackServer(Handler handler) throws IOException {
    this(ServerSocketFactory.getDefault(), handler);
  }

  LoopbackServer(ServerSocketFactory factory, Handler handler) throws IOException {
    this.socket = factory.createServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
    this.handler = handler;
    startDaemon(this::accept);
  }

  int port() {
    return socket.getLocalPort();
  }

  String url() {
    return "http://127.0.0.1:" + port();
  }

  private void accept() throws IOException {
    while (!socket.isClosed()) {
      Socket connection = socket.accept();
      startDaemon(
          () -> {
            try (connection) {
              String head = readHead(connection.getInputStream());
              if (head.isEmpty()) return;
              heads.add(head);
              handler.handle(connection, head);
            }
          });
    }
  }

  private static String readHead(InputStream input) throws IOException {
    StringBuilder head = new StringBuilder();
    for (int next = input.read(); next != -1; next = input.read()) {
      head.append((char) next);
      if (head.toString().endsWith("\r\n\r\n")) break;
    }
    return head.toString();
  }

  static void respond(Socket connection, String status, String headers, byte[] body)
      throws IOException {
    OutputStream output = connection.getOutputStream();
    String head = "HTTP/1.1 " + status + "\r\nContent-Length: " + body.length + "\r\n" + headers;
    output.write((head + "Connection: close\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
    output.write(body);
    output.flush();
    connection.shutdownOutput();
    connection.getInputStream().transferTo(OutputStream.nullOutputStream());
  }

  /** Work of a thread whose failure ends it. */
  interface Work {
    void run() throws Exception;
  }

  static void startDaemon(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (Exception closed) {
                // The test is over, or its client has gone.
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
