# frozen_string_literal: true

require_relative "error_contract"

module DurableJobs
  # A call that did not do what it was asked. `retry?` says whether the same call, with the same
  # job id, is worth repeating after a pause.
  class Error < StandardError
    def retry? = false
  end

  # An argument breaks a rule; nothing was sent.
  class InvalidJob < Error; end

  # The job id belongs to a job of another type or payload; it is unchanged.
  class Conflict < Error; end

  # AWS asks for fewer calls, and the SDK's own retries are used up.
  class Throttled < Error
    def retry? = true
  end

  # No answer came, so the call may have been carried out. The same job id finds out.
  class Unanswered < Error
    def retry? = true
  end

  # No connection: nothing was sent.
  class Unreachable < Error
    def retry? = true
  end

  # No credentials, no longer valid ones, or ones without the right.
  class AccessDenied < Error; end

  # The table, the bucket or the function is not there, or cannot run.
  class NotDeployed < Error; end

  # AWS calls the request itself wrong.
  class Refused < Error; end

  # A synchronous run ended badly; the row has the whole reason.
  class JobFailed < Error
    attr_reader :error_type

    def initialize(message, error_type = nil)
      super(message)
      @error_type = error_type
    end
  end

  # From the SDK's errors to the ones above, by the error contract.
  module Translation
    CLASSES = {
      "invalid" => Refused,
      "throttled" => Throttled,
      "unanswered" => Unanswered,
      "unreachable" => Unreachable,
      "denied" => AccessDenied,
      "credentials" => AccessDenied,
      "not deployed" => NotDeployed,
      "not runnable" => NotDeployed
    }.freeze

    # The SDK wraps what the network did; only these were raised before anything was sent.
    NEVER_SENT = %w[
      Errno::ECONNREFUSED Errno::EHOSTUNREACH Errno::ENETUNREACH Net::OpenTimeout SocketError
      Socket::ResolutionError OpenSSL::SSL::SSLError
    ].freeze
    NO_CREDENTIALS = %w[
      Aws::Errors::MissingCredentialsError Aws::Errors::MissingRegionError
      Aws::Errors::NoSuchProfileError Aws::Errors::InvalidSSOToken
    ].freeze

    module_function

    # Run the block; raise what the SDK raises in it as one of ours, with the original as its cause.
    def translated(operation)
      yield
    rescue DurableJobs::Error
      raise
    rescue StandardError => error
      kind = class_of(error, operation)
      raise if kind.nil?

      raise kind, "#{operation}: #{error.class}: #{error.message}".split.join(" ")
    end

    def class_of(error, operation)
      name = error.class.name.to_s
      return of_answer(error, operation) if error.respond_to?(:code) && error.respond_to?(:context)
      return AccessDenied if NO_CREDENTIALS.include?(name)
      return unless name == "Seahorse::Client::NetworkingError"

      NEVER_SENT.include?(error.original_error.class.name) ? Unreachable : Unanswered
    end

    def of_answer(error, operation)
      kind = ERROR_KINDS.fetch(operation)[error.code]
      return CLASSES.fetch(kind) if CLASSES.key?(kind)

      status = error.context&.http_response&.status_code.to_i
      status >= 500 ? Unanswered : Refused
    end
  end
end
