# frozen_string_literal: true

require_relative "durable_jobs/client"

# Submits durable jobs from Ruby.
#
#   DurableJobs.client = DurableJobs::Client.new(table_name: ENV.fetch("DURABLE_JOBS_TABLE"))
#   DurableJobs.submit(type: "send-email", payload: {to: "..."}, job_id: "invoice-#{invoice.id}")
module DurableJobs
  class << self
    attr_writer :client

    # The client that the shortcuts below use.
    def client
      @client ||= Client.new(table_name: ENV.fetch("DURABLE_JOBS_TABLE"))
    end

    def submit(**arguments) = client.submit(**arguments)

    def invoke(**arguments) = client.invoke(**arguments)

    def run(**arguments) = client.run(**arguments)

    def get(job_id) = client.get(job_id)
  end
end
